"""What waits to be told to the shop, in one line."""

from datetime import UTC, datetime

from breakwall.cli.backlog.outcomes import outcome_fields
from breakwall.payments.outcomes.holds import DestinationHold, HeldBy
from breakwall.payments.outcomes.operator import Waiting


def waiting(name: str, count: int) -> Waiting:
    return Waiting(name, count, late=False, gone=False)


def test_if_nothing_waits_there_is_no_line() -> None:
    assert outcome_fields([waiting("webhook", 0)], {}) == {}


def test_what_waits_is_counted_for_each_destination() -> None:
    found = outcome_fields([waiting("webhook", 12), waiting("task", 1)], {})
    assert found == {"outcomes": "12 events wait for the webhook; 1 event waits for the task"}


def test_a_circuit_that_holds_it_is_named() -> None:
    hold = DestinationHold("webhook", HeldBy.CIRCUIT, datetime(2026, 11, 28, tzinfo=UTC))
    found = outcome_fields([waiting("webhook", 2)], {"webhook": hold})
    assert "the circuit of the webhook is open" in found["outcomes"]
