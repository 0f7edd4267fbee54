"""The loop of the deliveries ends cleanly, also before it has begun."""

from __future__ import annotations

from unittest.mock import create_autospec

from breakwall.payments.outcomes.delivering import Delivering
from breakwall.worker.background.outcome_loop import OutcomeLoop


def test_a_loop_that_was_never_started_can_be_stopped() -> None:
    delivering = create_autospec(Delivering, instance=True)
    OutcomeLoop(delivering).stop(0.0)
    delivering.close.assert_called_once_with()


def test_a_stop_ends_the_deliveries() -> None:
    delivering = create_autospec(Delivering, instance=True)
    delivering.run_once.return_value = 0.0
    loop = OutcomeLoop(delivering)
    loop.start()
    loop.stop(60)
    delivering.stop.assert_called_once()
    delivering.close.assert_called_once_with()


def test_a_loop_that_is_asked_to_stop_begins_no_more_calls() -> None:
    delivering = create_autospec(Delivering, instance=True)
    OutcomeLoop(delivering).ask_to_stop()
    delivering.ask_to_stop.assert_called_once_with()
