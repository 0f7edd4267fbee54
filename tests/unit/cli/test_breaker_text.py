"""What an operator reads about a circuit."""

from __future__ import annotations

from dataclasses import replace

import pytest

from breakwall.breaker import BreakerStatus, Override, OverrideMode
from breakwall.cli.breaker_text import breaker_fields, breaker_lines
from tests.unit.monitor.snapshots import CLOSED, FORCED, OPEN, PROBING

BRIEF = Override(OverrideMode.FORCED_OPEN, "moving the [service]", "ana", 900.0, 1120.0)


@pytest.mark.parametrize(
    ("status", "field", "text"),
    [
        (OPEN, "state", "[bold red]open[/]"),
        (OPEN, "calls", "refused; the next call in 18 s"),
        (OPEN, "open since", "12 min ago"),
        (OPEN, "last failure", "10 s ago"),
        (PROBING, "calls", "2 probes allowed"),
        (CLOSED, "calls", "allowed"),
        (CLOSED, "override", "none"),
        (
            replace(CLOSED, override=BRIEF),
            "override",
            r"[bold]forced open[/] by ana for another 2 min: moving the \[service]",
        ),
        (
            replace(CLOSED, store_ok=False),
            "state",
            "[green]closed[/] (local circuit: the store does not answer)",
        ),
        (
            replace(CLOSED, store_ok=False, store_error="ConnectionError"),
            "store",
            "does not answer (ConnectionError)",
        ),
    ],
)
def test_each_field_has_its_words(status: BreakerStatus, field: str, text: str) -> None:
    assert breaker_fields(status)[field] == text


def test_a_closed_circuit_shows_no_beginning_of_an_outage() -> None:
    assert "open since" not in breaker_fields(CLOSED)


def test_an_override_stands_beside_the_computed_state() -> None:
    fields = breaker_fields(replace(OPEN, slots=None, override=FORCED[OverrideMode.FORCED_CLOSED]))
    assert fields["state"] == "[bold red]open[/]"
    assert fields["override"] == "[bold]forced closed[/] by ana until it is lifted: why"
    assert fields["calls"] == "allowed"


def test_an_override_without_an_end_promises_no_next_try() -> None:
    forced = replace(CLOSED, slots=0, retry_after=30.0, override=FORCED[OverrideMode.FORCED_OPEN])
    assert breaker_fields(forced)["calls"] == "refused until the override is lifted"


def test_a_store_that_is_not_made_yet_is_shown_as_that() -> None:
    assert breaker_lines(CLOSED, unused=True)[8] == "store          not made yet: no process has used it"
