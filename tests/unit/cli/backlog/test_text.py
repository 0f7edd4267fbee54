"""What an operator reads about a backlog and a circuit."""

from __future__ import annotations

from dataclasses import replace

import pytest

from breakwall.breaker import BreakerStatus, Override, OverrideMode
from breakwall.cli.backlog.fail_over import InvalidLimitsError, Limits
from breakwall.cli.backlog.text import backlog_fields, breaker_fields, one_line, verdict
from breakwall.monitor.backlog import breaker_document, drain_eta, refuses_all
from tests.unit.monitor.backlog_looks import CLOSED, OPEN, OUTAGE, PROBING, QUIET


def test_a_quiet_site_has_a_quiet_verdict() -> None:
    assert verdict(QUIET) == "No order waits. The circuit is [green]closed[/]: payments go through."


def test_an_outage_is_told_in_two_sentences() -> None:
    assert verdict(OUTAGE) == (
        "1,284 orders wait, the oldest for 12 min. "
        "The circuit is [bold red]open[/]: no payment is tried; the next in 18 s."
    )


def test_a_probing_circuit_is_told() -> None:
    assert "a few payments try" in verdict(replace(OUTAGE, breaker=PROBING, in_flight=1))


def test_a_circuit_that_nobody_probes_at_the_moment_is_not_said_to_be_probed() -> None:
    seen = replace(OUTAGE, breaker=PROBING, in_flight=1, abandoned=1)
    assert "a few payments are let through" in verdict(seen)
    assert backlog_fields(seen)["circuit"] == "[yellow]half_open[/]; room for 2 probes"


def test_payments_are_not_said_to_go_through_where_nobody_has_seen_it() -> None:
    hanging = replace(OUTAGE, breaker=CLOSED, due=9)
    assert verdict(hanging).endswith("payments are let through.")
    assert verdict(replace(hanging, drained_last_minute=1)).endswith("payments go through.")
    forced = replace(OPEN, slots=None, override=FORCED[OverrideMode.FORCED_CLOSED])
    assert ": every payment is let through; its own state is " in verdict(replace(QUIET, breaker=forced))


def test_the_fields_of_an_outage_say_what_is_not_known() -> None:
    fields = backlog_fields(OUTAGE)
    assert fields["waiting"] == "1,284 (none due, the next in 18 s)"
    assert fields["time to drain"] == "unknown: the circuit is open"
    assert fields["broker"] == "[bold red]does not answer[/]: until it does, orders wait in the database"


def test_the_drain_is_told_with_its_assumption() -> None:
    seen = replace(OUTAGE, due=9, breaker=CLOSED, drain_eta_seconds=240.0)
    assert backlog_fields(seen)["time to drain"] == "about 4 min, if nothing more comes in"


def test_what_needs_a_person_is_told_apart() -> None:
    fields = backlog_fields(replace(QUIET, review=2, dead=1, incidents=3))
    assert "2 in review, 1 dead" in fields["needs a person"]
    assert "3 open: charges to look at, see breakwall orders incidents" in fields["incidents"]


def test_a_line_for_a_log_has_the_numbers_behind_their_names() -> None:
    assert one_line(replace(OUTAGE, incidents=2)) == (
        "2026-11-27 00:00:00 UTC  queued 1284  due 0  in_flight 0  review 0  dead 0  incidents 2  "
        "oldest 12 min  drain unknown  breaker open"
    )


def test_an_open_circuit_tells_since_when_and_when_it_tries_again() -> None:
    fields = breaker_fields(OPEN)
    assert fields["calls"] == "refused, the next try in 18 s"
    assert fields["open since"] == "12 min ago"
    assert fields["last failure"] == "10 s ago"


def test_a_closed_circuit_has_no_beginning_of_an_outage() -> None:
    assert "open since" not in breaker_fields(CLOSED)


def test_an_operators_word_is_told_with_who_why_and_for_how_long() -> None:
    override = Override(OverrideMode.FORCED_OPEN, "moving the [service]", "ana", 900.0, 1120.0)
    shown = breaker_fields(replace(CLOSED, override=override))["override"]
    assert shown == r"[bold]forced open[/] by ana for another 2 min: moving the \[service]"


FORCED = {mode: Override(mode, "why", "ana", 900.0, None) for mode in OverrideMode}


def test_an_override_stands_beside_the_computed_state_and_does_not_replace_it() -> None:
    fields = breaker_fields(replace(OPEN, slots=None, override=FORCED[OverrideMode.FORCED_CLOSED]))
    assert fields["state"] == "[bold red]open[/]"
    assert fields["override"] == "[bold]forced closed[/] by ana until it is lifted: why"
    assert fields["calls"] == "let through"


def test_an_override_without_an_end_promises_no_next_try() -> None:
    fields = breaker_fields(
        replace(CLOSED, slots=0, retry_after=30.0, override=FORCED[OverrideMode.FORCED_OPEN])
    )
    assert fields["calls"] == "refused until the override is lifted"


def test_without_an_override_there_is_none_to_tell() -> None:
    assert breaker_fields(CLOSED)["override"] == "none"
    assert "override" not in backlog_fields(QUIET)
    assert "override" not in one_line(QUIET)


def test_a_verdict_on_a_forced_circuit_does_not_promise_what_the_computed_state_would() -> None:
    forced = replace(QUIET, breaker=replace(CLOSED, slots=0, override=FORCED[OverrideMode.FORCED_OPEN]))
    assert verdict(forced) == (
        "No order waits. The circuit is [bold]forced open[/] by ana until it is lifted: "
        "no payment is tried; its own state is [green]closed[/]."
    )
    assert "forced open" in backlog_fields(forced)["override"]
    assert one_line(forced).endswith("breaker closed  override forced_open")


@pytest.mark.parametrize(
    ("computed", "mode", "refuses"),
    [
        (CLOSED, None, False),
        (OPEN, None, True),
        (PROBING, None, False),
        (CLOSED, OverrideMode.FORCED_OPEN, True),
        (OPEN, OverrideMode.FORCED_CLOSED, False),
        (OPEN, OverrideMode.OBSERVING, False),
    ],
)
def test_whether_every_payment_is_refused_is_the_operators_word_first(
    computed: BreakerStatus, mode: OverrideMode | None, refuses: bool
) -> None:
    assert refuses_all(replace(computed, override=FORCED[mode] if mode else None)) is refuses


def test_a_lost_store_is_told() -> None:
    shown = breaker_fields(replace(CLOSED, store_ok=False, store_error="ConnectionError"))["store"]
    assert shown == "does not answer (ConnectionError)"


def test_a_circuits_points_in_time_are_texts_in_a_document() -> None:
    override = Override(OverrideMode.FORCED_OPEN, "why", "ana", 0.0, None)
    document = breaker_document(replace(OPEN, override=override))
    assert document["opened_at"] == "1970-01-01T00:04:40+00:00"
    assert document["override"]["set_at"] == "1970-01-01T00:00:00+00:00"
    assert document["override"]["expires_at"] is None
    assert document["retry_after"] == 18.0


@pytest.mark.parametrize(
    ("queued", "drained", "span", "last_due", "stopped", "eta"),
    [
        (0, 0, 0.0, 0.0, True, 0.0),
        (20, 10, 5.0, 0.0, False, 10.0),
        (20, 10, 0.001, 0.0, False, 2.0),  # a burst of a moment is not a speed
        (20, 10, 5.0, 600.0, False, 600.0),
        (20, 10, 5.0, 0.0, True, None),
        (20, 0, 0.0, 0.0, False, None),
    ],
)
def test_the_time_to_drain(
    queued: int, drained: int, span: float, last_due: float, stopped: bool, eta: float | None
) -> None:
    assert drain_eta(queued, drained=drained, span=span, last_due=last_due, stopped=stopped) == eta


def test_limits_are_read_from_their_text() -> None:
    assert Limits.parse("depth=100, age=1.5") == Limits(depth=100, age=1.5)
    assert Limits.parse("age=60") == Limits(age=60)


@pytest.mark.parametrize("text", ["", "depth", "depth=", "depth=-1", "depth=inf", "size=1", "age=1,age=2"])
def test_limits_that_make_no_sense_are_refused(text: str) -> None:
    with pytest.raises(InvalidLimitsError):
        Limits.parse(text)


def test_a_backlog_at_its_limits_is_within_them() -> None:
    assert Limits(depth=1284, age=725).exceeded_by(OUTAGE) == []


def test_each_limit_that_is_exceeded_has_its_sentence() -> None:
    assert Limits(depth=1283, age=700).exceeded_by(OUTAGE) == [
        "1,284 orders wait; the limit is 1,283",
        "the oldest order has waited 725 s; the limit is 700 s",
    ]
