"""All situations, the most important first: when each holds, and the sentence for it. Pure."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

from breakwall.breaker import OverrideMode
from breakwall.monitor.alarms import AlarmKind
from breakwall.monitor.obstacles import ObstacleKind
from breakwall.payments.db.clock import seconds_between
from breakwall.web.page.circumstances import Circumstances


class Severity(StrEnum):
    """How much a situation matters. The page shows a word and a symbol for it, and a colour beside them."""

    CALM = "calm"  # Nothing to do.
    WATCH = "watch"  # It ends by itself, or a person has wanted it.
    ACT = "act"  # A person has to do something.

    @property
    def symbol(self) -> str:
        return {"calm": "✓", "watch": "◆", "act": "▲"}[self.value]


class Situation(StrEnum):
    """What is going on. Used as a name in the page's markup."""

    UNREACHABLE = "unreachable"  # The database does not answer: nothing is known.
    READ_ONLY = "read_only"
    NO_WORKER = "no_worker"
    FORCED_OPEN = "forced_open"
    PAUSED = "paused"
    BROKER_AWAY = "broker_away"
    STORE_LOST = "store_lost"
    DOWN = "down"
    UNPROBED = "unprobed"
    OTHER_GATEWAY = "other_gateway"
    REJECTED = "rejected"
    STALLED = "stalled"
    HANGING = "hanging"
    PROBING = "probing"
    FORCED_CLOSED = "forced_closed"
    SLOW = "slow"
    NEEDS_PERSON = "needs_person"
    DRAINING = "draining"
    WAITING = "waiting"
    CALM = "calm"


def _paused(view: Circumstances) -> str:
    if (pause := view.backlog.paused) is None:
        return ""
    since = view.words.duration(seconds_between(pause.at, view.backlog.at))
    return view.words.by(
        pause.actor,
        "%(actor)s paused the queue %(time)s ago.",
        "The queue was paused %(time)s ago.",
        time=since,
    )


def _forced(sentence: str, unnamed: str) -> Callable[[Circumstances], str]:
    def said(view: Circumstances) -> str:
        actor = None if view.override is None else view.override.actor
        return view.words.by(actor, sentence, unnamed, time=view.since_override)

    return said


def _rejected(view: Circumstances) -> str:
    return view.words.count(
        "The payment service rejected %(number)s order: check its address and credentials.",
        "The payment service rejected %(number)s orders: check its address and credentials.",
        view.backlog.rejected.orders,
    )


def needs_person(view: Circumstances) -> str:
    """How many things only a person can bring forward."""
    return view.words.count(
        "%(number)s thing needs a person.", "%(number)s things need a person.", view.people_wanted
    )


def _fixed(sentence: str) -> Callable[[Circumstances], str]:
    return lambda view: view.say(sentence)


def _has(*kinds: ObstacleKind) -> Callable[[Circumstances], bool]:
    return lambda view: any(view.has(kind) for kind in kinds)


def _alarm(kind: AlarmKind) -> Callable[[Circumstances], bool]:
    return lambda view: kind in view.alarms


def _overridden(mode: OverrideMode) -> Callable[[Circumstances], bool]:
    return lambda view: view.mode is mode


def _is_stalled(view: Circumstances) -> bool:
    idle = view.has(ObstacleKind.WORKERS_IDLE) or view.has(ObstacleKind.NONE_FINISHED)
    return idle or AlarmKind.NOTHING_COMPLETED in view.alarms


_Rule = tuple[Situation, Severity, Callable[[Circumstances], bool], Callable[[Circumstances], str]]

SITUATIONS: tuple[_Rule, ...] = (
    (
        Situation.READ_ONLY,
        Severity.ACT,
        _has(ObstacleKind.DATABASE_READ_ONLY),
        _fixed("The orders database takes no writes."),
    ),
    (
        Situation.NO_WORKER,
        Severity.ACT,
        lambda view: _alarm(AlarmKind.NO_WORKER)(view) or view.has(ObstacleKind.NO_WORKER),
        _fixed("No worker is alive: waiting orders are not charged."),
    ),
    (
        Situation.FORCED_OPEN,
        Severity.ACT,
        _overridden(OverrideMode.FORCED_OPEN),
        _forced(
            "%(actor)s stopped all payments %(time)s ago: the circuit is forced open.",
            "All payments were stopped %(time)s ago: the circuit is forced open.",
        ),
    ),
    (Situation.PAUSED, Severity.WATCH, lambda view: view.backlog.paused is not None, _paused),
    (
        Situation.BROKER_AWAY,
        Severity.ACT,
        _has(ObstacleKind.BROKER_LOST),
        _fixed("The broker does not answer: workers get no orders."),
    ),
    (
        Situation.STORE_LOST,
        Severity.ACT,
        _alarm(AlarmKind.STORE_LOST),
        _fixed("The circuit's store does not answer: each process decides on its own."),
    ),
    (
        Situation.DOWN,
        Severity.WATCH,
        lambda view: view.is_open,
        lambda view: view.lasting("Payment service down %(time)s.", "Payment service down."),
    ),
    (
        Situation.UNPROBED,
        Severity.ACT,
        _alarm(AlarmKind.NOBODY_PROBES),
        _fixed("The payment service may be back, but no process tries it."),
    ),
    (
        Situation.OTHER_GATEWAY,
        Severity.ACT,
        _alarm(AlarmKind.OTHER_GATEWAY),
        _fixed("Orders wait for a gateway that no worker has."),
    ),
    (
        Situation.REJECTED,
        Severity.ACT,
        lambda view: view.backlog.rejected.orders > 0,
        _rejected,
    ),
    (
        Situation.STALLED,
        Severity.ACT,
        _is_stalled,
        _fixed("Orders are due, but none is finished."),
    ),
    (
        Situation.HANGING,
        Severity.WATCH,
        _has(ObstacleKind.HANGING),
        _fixed("The payment service hangs: no new call is started."),
    ),
    (
        Situation.PROBING,
        Severity.WATCH,
        lambda view: view.is_probing,
        lambda view: view.lasting(
            "Payment service down %(time)s, and now tried with a few orders.",
            "The payment service is tried with a few orders.",
        ),
    ),
    (
        Situation.FORCED_CLOSED,
        Severity.WATCH,
        lambda view: view.override is not None,
        _forced(
            "%(actor)s overrode the circuit %(time)s ago: it lets every payment through.",
            "The circuit was overridden %(time)s ago: it lets every payment through.",
        ),
    ),
    (
        Situation.SLOW,
        Severity.WATCH,
        _has(ObstacleKind.LIMIT_REACHED, ObstacleKind.THROTTLED),
        _fixed("The payment service is slow, or asks for a pause: it gets fewer calls."),
    ),
    (Situation.NEEDS_PERSON, Severity.ACT, lambda view: view.people_wanted > 0, needs_person),
    (
        Situation.DRAINING,
        Severity.WATCH,
        lambda view: view.backlog.queued > 0 and view.is_moving,
        _fixed("Payment service up, and the backlog drains."),
    ),
    (
        Situation.WAITING,
        Severity.WATCH,
        lambda view: view.backlog.queued > 0,
        _fixed("Payment service up. A few orders wait for their next try."),
    ),
    (Situation.CALM, Severity.CALM, lambda view: True, _fixed("All is well: no order waits.")),
)
