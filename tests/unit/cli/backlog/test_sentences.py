"""A backlog in sentences: they promise nothing that nobody has seen."""

from __future__ import annotations

from dataclasses import replace

import pytest

from breakwall.breaker import OverrideMode
from breakwall.cli.backlog.sentences import obstacles, screen_lines, verdict, warnings
from breakwall.monitor.alarms import Alarm, AlarmKind
from breakwall.monitor.backlog import Backlog
from breakwall.monitor.counts import Counted, Rejected
from breakwall.monitor.obstacles import Obstacle, ObstacleKind
from tests.unit.monitor.snapshots import CLOSED, FORCED, OPEN, OUTAGE, PROBING, QUIET, REJECTED, REJECTION

FORCED_CLOSED = replace(OPEN, slots=None, override=FORCED[OverrideMode.FORCED_CLOSED])
NO_WORKER = Alarm(AlarmKind.NO_WORKER, "No worker is alive: waiting orders are not charged.", "Start one.")
ALARMED = replace(OUTAGE, due=9, workers=0, breaker=CLOSED, warnings=(NO_WORKER,))
REJECTIONS = (
    "[bold red]The payment service rejected 1,270 orders when they were last tried[/]: "
    "check BREAKWALL_PAYMENT_URL; run doctor."
)


@pytest.mark.parametrize(
    ("seen", "text"),
    [
        (QUIET, "No order waits. The circuit is [green]closed[/]: payments go through."),
        (
            replace(
                OUTAGE,
                breaker=CLOSED,
                blocked_by=(Obstacle(ObstacleKind.HANGING, "the payment service hangs"),),
            ),
            "1,284 orders wait, the oldest for 12 min. The circuit is [green]closed[/].",
        ),
        (
            OUTAGE,
            "1,284 orders wait, the oldest for 12 min. "
            "The circuit is [bold red]open[/]: no payment is tried; the next in 18 s.",
        ),
        (
            replace(QUIET, breaker=replace(CLOSED, slots=0, override=FORCED[OverrideMode.FORCED_OPEN])),
            "No order waits. The circuit is [bold]forced open[/] by ana until it is lifted: "
            "no payment is tried; its own state is [green]closed[/].",
        ),
        (
            replace(QUIET, breaker=replace(CLOSED, store_ok=False)),
            "No order waits. The circuit's state is unknown: its store does not answer.",
        ),
        (
            REJECTED,
            "1,284 orders wait, the oldest for 12 min. "
            f"The circuit is [green]closed[/]: payments are tried. {REJECTIONS}",
        ),
    ],
)
def test_the_verdict_says_what_waits_what_the_circuit_does_and_what_to_correct(
    seen: Backlog, text: str
) -> None:
    assert verdict(seen) == text


@pytest.mark.parametrize(
    ("queued", "counted", "text"),
    [
        (1, Counted.NOW, "1 order waits, the oldest for 12 min. "),
        (1_000_000, Counted.STORED, "1,000,000 orders wait, the oldest for 12 min, counted 7.0 s ago. "),
        (1_000_000, Counted.SAMPLED, "1,000,000 orders wait, the oldest for 12 min. "),
        (1_000_001, Counted.AT_LEAST, "At least 1,000,001 orders wait, the oldest for 12 min. "),
    ],
)
def test_the_verdict_says_how_old_a_count_is_and_whether_it_is_a_lower_bound(
    queued: int, counted: Counted, text: str
) -> None:
    age = 7.0 if counted is Counted.STORED else 0.0
    assert verdict(replace(OUTAGE, queued=queued, counted=counted, age_seconds=age)).startswith(text)


@pytest.mark.parametrize(
    ("seen", "end"),
    [
        (replace(OUTAGE, breaker=CLOSED, drained_last_minute=1), "payments go through."),
        (replace(OUTAGE, breaker=CLOSED, due=9), "payments are let through."),  # and nothing was drained
        (replace(OUTAGE, breaker=PROBING, in_flight=1), "a few payments test whether the service is back."),
        (
            replace(OUTAGE, breaker=PROBING, in_flight=1, abandoned=1),
            "a few payments are let through.",
        ),
        (replace(ALARMED, breaker=PROBING), "a few payments are let through."),
        (ALARMED, "payments are let through."),
        (
            replace(QUIET, breaker=FORCED_CLOSED),
            "every payment is let through; its own state is [bold red]open[/].",
        ),
        (
            replace(REJECTED, breaker=OPEN),
            f"no payment is tried; the next in 18 s. {REJECTIONS}",
        ),
        (
            replace(REJECTED, breaker=FORCED_CLOSED),
            f"every payment is tried; its own state is [bold red]open[/]. {REJECTIONS}",
        ),
    ],
)
def test_payments_are_said_to_go_through_only_where_that_was_seen(seen: Backlog, end: str) -> None:
    assert verdict(seen).endswith(end)


def test_one_rejected_order_is_reported_as_one() -> None:
    shown = verdict(replace(REJECTED, rejected=Rejected(1, REJECTION)))
    assert "The payment service rejected 1 order when it was last tried" in shown


def test_a_warning_is_reported_with_what_to_do() -> None:
    assert warnings(OUTAGE) == []
    assert warnings(ALARMED) == [
        "[bold red]No worker is alive: waiting orders are not charged.[/]",
        "  → Start one.",
    ]


PAUSED = Obstacle(ObstacleKind.PAUSED, "the queue is paused by alice, 5 min ago: [red]")
DEAD_FLEET = Obstacle(ObstacleKind.NO_WORKER, "no worker is alive")
REFUSED = Obstacle(ObstacleKind.CIRCUIT_OPEN, "the circuit is open, the next call in 18 s")


def test_why_nothing_moves_is_one_line_without_what_the_other_sentences_say() -> None:
    line = r"[bold]Nothing moves[/]: the queue is paused by alice, 5 min ago: \[red]; no worker is alive."
    seen = replace(OUTAGE, blocked_by=(PAUSED, REFUSED, DEAD_FLEET))
    assert obstacles(seen) == [line]
    assert line in screen_lines(seen)
    assert obstacles(replace(OUTAGE, blocked_by=(REFUSED,))) == []
    assert obstacles(replace(ALARMED, blocked_by=(DEAD_FLEET,))) == []
    assert obstacles(QUIET) == []


@pytest.mark.parametrize(
    ("example", "advice"),
    [
        (
            "http_401: Stripe does not accept the API key: check BREAKWALL_PAYMENT_TOKEN.",
            "check BREAKWALL_PAYMENT_TOKEN; run doctor.",
        ),
        (
            "check BREAKWALL_PAYMENT_CERT_FILE and BREAKWALL_PAYMENT_KEY_FILE, or BREAKWALL_PAYMENT_KEY_FILE",
            "check BREAKWALL_PAYMENT_CERT_FILE and BREAKWALL_PAYMENT_KEY_FILE; run doctor.",
        ),
        ("acme_says_no: Acme does not know us.", "check the settings of payments; run doctor."),
    ],
)
def test_the_settings_to_check_are_those_that_the_rejection_names(example: str, advice: str) -> None:
    assert verdict(replace(REJECTED, rejected=Rejected(2, example))).endswith(advice)
