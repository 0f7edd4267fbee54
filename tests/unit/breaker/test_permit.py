"""A service that says when to come back."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

from breakwall.breaker import CircuitState
from tests.unit.breaker.doubles import Clock, Fleet, answer, fail_times


def test_one_throttled_call_opens_the_circuit_for_as_long_as_the_service_said(fleet: Fleet) -> None:
    breaker = fleet.breaker()
    breaker.acquire().record_failure(retry_after=120)
    assert (breaker.status().state, breaker.status().retry_after) == (CircuitState.OPEN, 120.0)


def test_a_throttled_probe_opens_it_again_for_at_least_as_long(fleet: Fleet, clock: Clock) -> None:
    breaker = fleet.breaker()
    fail_times(breaker, 3)
    clock.sleep(30)
    breaker.acquire().record_failure(retry_after=500)
    assert breaker.status().retry_after == 500.0


def test_the_growing_interval_goes_before_a_shorter_word(fleet: Fleet, clock: Clock) -> None:
    breaker = fleet.breaker()
    fail_times(breaker, 3)
    clock.sleep(30)
    breaker.acquire().record_failure(retry_after=1)
    assert breaker.status().retry_after == 60.0


def test_a_service_cannot_close_itself_off_for_ever(fleet: Fleet) -> None:
    breaker = fleet.breaker(max_retry_after=600.0)
    breaker.acquire().record_failure(retry_after=10**9)
    assert breaker.status().retry_after == 600.0


def test_a_word_from_before_the_last_transition_is_not_heard(fleet: Fleet, clock: Clock) -> None:
    breaker = fleet.breaker()
    late = breaker.acquire()
    fail_times(breaker, 3)
    clock.sleep(30)
    breaker.call(answer)
    late.record_failure(retry_after=120)
    assert breaker.status().state is CircuitState.CLOSED


@pytest.mark.parametrize("seconds", [0, -1, float("nan")])
def test_a_pause_that_is_none_leaves_a_plain_failure(fleet: Fleet, seconds: float) -> None:
    """An error here would come out of the call, and might be counted as an answer of the service."""
    breaker = fleet.breaker()
    breaker.acquire().record_failure(retry_after=seconds)
    assert breaker.status().state is CircuitState.CLOSED
    assert breaker.metrics().failed_calls == 1


class DocumentedAnswer:
    def __init__(self, **headers: str) -> None:
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


def documented(name: str) -> Any:
    """A function from the documentation's examples."""
    text = (Path(__file__).parents[3] / "docs" / "breaker.md").read_text(encoding="utf-8")
    block = next(b for b in re.findall(r"```python\n(.*?)```", text, re.DOTALL) if f"def {name}(" in b)
    names: dict[str, Any] = {}
    exec(block, names)  # our own documentation, as its reader would run it
    return names[name]


class TestDocumentedReading:
    """Of `Retry-After`, in the example of `docs/breaker.md`."""

    def test_of_seconds(self) -> None:
        assert documented("pause")(DocumentedAnswer(Retry_After="120")) == 120

    def test_of_a_date(self) -> None:
        date = format_datetime(datetime.now(UTC) + timedelta(seconds=120), usegmt=True)
        assert documented("pause")(DocumentedAnswer(Retry_After=date)) == pytest.approx(120, abs=30)

    @pytest.mark.parametrize("header", ["0", "nan", "soon", "Wed, 21 Oct 2015 07:28:00 GMT", "-0000", ""])
    def test_of_anything_else_leads_to_a_plain_failure(self, fleet: Fleet, header: str) -> None:
        breaker = fleet.breaker(expected_exception=OSError)
        with breaker.acquire() as permit:
            permit.record_failure(retry_after=documented("pause")(DocumentedAnswer(Retry_After=header)))
        assert (breaker.metrics().failed_calls, breaker.status().state) == (1, CircuitState.CLOSED)

    def test_of_no_header(self) -> None:
        assert documented("pause")(DocumentedAnswer()) is None
