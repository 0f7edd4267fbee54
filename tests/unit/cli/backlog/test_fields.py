"""The numbers of a backlog as an operator reads them."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from breakwall.breaker import OverrideMode
from breakwall.cli.backlog.fields import backlog_fields, one_line
from breakwall.monitor.alarms import Alarm, AlarmKind
from breakwall.monitor.backlog import Backlog
from breakwall.monitor.counts import Counted, Rejected
from breakwall.monitor.obstacles import Obstacle, ObstacleKind
from breakwall.payments.fleet.drain_control import Pause
from tests.unit.monitor.snapshots import CLOSED, FORCED, NOON, OUTAGE, PROBING, QUIET, REJECTED, REJECTION

DEAD_FLEET = Obstacle(ObstacleKind.NO_WORKER, "no worker is alive")
PAUSE = Pause("alice", "maintenance [red]", NOON, NOON + timedelta(minutes=10))
NO_WORKER = Alarm(AlarmKind.NO_WORKER, "No worker is alive.", "Start one.")
FORCED_OPEN = replace(QUIET, breaker=replace(CLOSED, slots=0, override=FORCED[OverrideMode.FORCED_OPEN]))
MILLION = replace(OUTAGE, queued=1_000_000, due=2_000)
STORED = replace(MILLION, counted=Counted.STORED, age_seconds=7.0)
SAMPLED = replace(MILLION, counted=Counted.SAMPLED)
AT_LEAST = replace(MILLION, queued=1_000_001, counted=Counted.AT_LEAST)
ALARMED = replace(OUTAGE, breaker=CLOSED, workers=0, warnings=(NO_WORKER,))


@pytest.mark.parametrize(
    ("seen", "field", "text"),
    [
        (OUTAGE, "waiting", "1,284 (none due, the next in 18 s)"),
        (replace(OUTAGE, due=9), "waiting", "1,284 (9 due now)"),
        (QUIET, "waiting", "0 (none due)"),
        (STORED, "waiting", "1,000,000 (2,000 due now), counted 7.0 s ago"),
        (SAMPLED, "waiting", "1,000,000 (at least 2,000 due now)"),
        (AT_LEAST, "waiting", "at least 1,000,001 (at least 2,000 due now)"),
        (OUTAGE, "oldest", "12 min"),
        (QUIET, "oldest", "none waits"),
        (replace(OUTAGE, blocked_by=(DEAD_FLEET,)), "time to drain", "unknown: nothing moves"),
        (OUTAGE, "time to drain", "unknown: none was drained in the last minute"),
        (
            replace(OUTAGE, rejected=Rejected(1284, REJECTION)),
            "time to drain",
            "unknown: the payment service rejects each",
        ),
        (replace(OUTAGE, breaker=CLOSED), "time to drain", "unknown: none was drained in the last minute"),
        (
            replace(OUTAGE, drain_eta_seconds=240.0),
            "time to drain",
            "about 4 min, if no order is added",
        ),
        (
            replace(OUTAGE, drain_eta_seconds=240.0, drain_eta_range_seconds=(240.0, 900.0)),
            "time to drain",
            "about 4 min to 15 min, if no order is added",
        ),
        (
            replace(QUIET, paused=PAUSE),
            "paused",
            "by alice since 2026-11-28 12:00:00 UTC, until 2026-11-28 12:10:00 UTC: maintenance \\[red]",
        ),
        (replace(QUIET, rate=2.5), "rate", "at most 2.5 orders a second"),
        (replace(QUIET, limit=12), "limit", "12 calls at once"),
        (replace(QUIET, limit=12, in_hand=3), "limit", "12 calls at once, 3 in progress"),
        (OUTAGE, "broker", "[bold red]does not answer[/]: until it does, orders wait in the database"),
        (replace(OUTAGE, broker_awaits_worker=True), "broker", "not running: a worker starts it"),
        (QUIET, "needs a person", "none"),
        (replace(QUIET, review=2, dead=1), "needs a person", "[bold red]2 in review, 1 dead[/]"),
        (REJECTED, "needs a person", "[bold red]1,270 rejected, 0 in review, 0 dead[/]"),
        (
            replace(REJECTED, counted=Counted.SAMPLED),
            "rejected",
            f"at least 1,270 orders, for example {REJECTION}",
        ),
        (REJECTED, "rejected", f"1,270 orders, for example {REJECTION}"),
        (
            replace(QUIET, incidents=3),
            "incidents",
            "[bold red]3 open: charges to check, see breakwall orders incidents[/]",
        ),
        (replace(QUIET, breaker=PROBING), "circuit", "[yellow]half_open[/]; 2 probes allowed"),
        (
            replace(QUIET, breaker=replace(CLOSED, store_ok=False)),
            "circuit",
            "unknown: its store does not answer",
        ),
        (FORCED_OPEN, "override", "[bold]forced open[/] by ana until it is lifted: why"),
        (replace(OUTAGE, workers=0), "workers", "none alive"),
        (ALARMED, "workers", "[bold red]none alive[/]"),
        (replace(OUTAGE, workers=3, slots=60), "workers", "3 alive, with 60 slots"),
        (
            replace(OUTAGE, workers=3, slots=60, workers_lacking=1),
            "workers",
            "3 alive, with 60 slots; [bold red]1 has exhausted a resource[/]: breakwall workers",
        ),
    ],
)
def test_each_field_has_its_words(seen: Backlog, field: str, text: str) -> None:
    assert backlog_fields(seen)[field] == text


@pytest.mark.parametrize("field", ["override", "rejected", "paused", "rate", "limit"])
def test_what_there_is_none_of_has_no_field(field: str) -> None:
    assert field not in backlog_fields(QUIET)


def test_a_line_for_a_log_has_the_numbers_behind_their_names() -> None:
    assert one_line(replace(OUTAGE, incidents=2)) == (
        "2026-11-27 00:00:00 UTC  queued 1284  due 0  in_flight 0  review 0  dead 0  incidents 2  "
        "oldest 12 min  drain unknown  workers 0  circuit open"
    )


@pytest.mark.parametrize(
    ("seen", "end"),
    [
        (replace(QUIET, breaker=replace(CLOSED, store_ok=False)), "circuit unknown"),
        (FORCED_OPEN, "circuit closed  override forced_open"),
        (REJECTED, "circuit closed  rejected 1270"),
        (replace(REJECTED, rejected=Rejected()), "circuit closed"),
        (ALARMED, "workers 0  circuit closed  warning no_worker"),
        (replace(OUTAGE, blocked_by=(DEAD_FLEET,)), "circuit open  blocked_by no_worker"),
        (replace(OUTAGE, workers=3), "workers 3  circuit open"),
        (STORED, "circuit open  counted stored"),
        (AT_LEAST, "circuit open  counted at_least"),
    ],
)
def test_a_line_for_a_log_ends_with_what_is_out_of_the_ordinary(seen: Backlog, end: str) -> None:
    assert one_line(seen).endswith(end)
