"""The verdict: what is going on, in one sentence, and what will happen next. Pure.

A snapshot has exactly one verdict: the first situation of `_SITUATIONS` that holds. What a person has to do comes
before what ends by itself, and a cause before its consequences.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from breakwall.breaker import CircuitState, OverrideMode
from breakwall.monitor.alarms import AlarmKind
from breakwall.monitor.counts import Counted
from breakwall.monitor.obstacles import ObstacleKind
from breakwall.payments.db.clock import seconds_between
from breakwall.web.page.snapshot import Seen, down_for
from breakwall.web.page.words import Words, message, plural


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


@dataclass(frozen=True, slots=True)
class Verdict:
    """``sentences``: the first one says what is going on; the others its extent, and what is next."""

    situation: Situation
    severity: Severity
    sentences: tuple[str, ...]

    def __str__(self) -> str:
        return " ".join(self.sentences)


UNREACHABLE_ADVICE = message("Run `breakwall doctor`.")


def verdict(seen: Seen, words: Words) -> Verdict:
    """The verdict on a snapshot. One that is stale because the database is away is `Situation.UNREACHABLE`."""
    if seen.failed is not None:
        return _unreachable(seen, words)
    view = _View(seen, words)
    for situation, severity, holds, headline in _SITUATIONS:
        if holds(view):
            return Verdict(situation, severity, (headline(view), *_facts(situation, view)))
    raise AssertionError("the last situation always holds")


def unreachable(words: Words) -> Verdict:
    """The verdict without any snapshot."""
    headline = words.text("The orders database does not answer, so nothing is known.")
    return Verdict(Situation.UNREACHABLE, Severity.ACT, (headline, words.text(UNREACHABLE_ADVICE)))


def _unreachable(seen: Seen, words: Words) -> Verdict:
    age = words.duration(seen.age)
    headline = words.text("The orders database does not answer. These numbers are %(age)s old.", age=age)
    return Verdict(Situation.UNREACHABLE, Severity.ACT, (headline, words.text(UNREACHABLE_ADVICE)))


class _View:
    """What the situations ask about a snapshot."""

    def __init__(self, seen: Seen, words: Words) -> None:
        self.seen, self.words = seen, words
        self.backlog = backlog = seen.backlog
        self.breaker = backlog.breaker
        self.kinds = {one.kind for one in backlog.blocked_by}
        self.alarms = {one.kind for one in backlog.warnings}
        self.override = None if self.breaker.override is None else self.breaker.override.mode
        self.down = down_for(self.breaker, backlog.at, seen.history)
        # A snapshot without waiting orders has no obstacle, but the circuit may be open.
        self.is_open = self.override is None and self.breaker.state is CircuitState.OPEN
        self.is_probing = self.override is None and self.breaker.state is CircuitState.HALF_OPEN

    @property
    def people_wanted(self) -> int:
        return self.backlog.review + self.backlog.dead + self.backlog.incidents

    @property
    def is_moving(self) -> bool:
        return self.backlog.drained_last_minute > 0

    def has(self, kind: ObstacleKind) -> bool:
        return kind in self.kinds

    def say(self, sentence: str, **values: object) -> str:
        return self.words.text(sentence, **values)

    def lasting(self, sentence: str, without: str) -> str:
        """A sentence with how long the service has been down, or the one ``without`` it if that is not known."""
        if self.down is None:
            return self.say(without)
        return self.say(sentence, time=self.words.duration(self.down))


def _paused(view: _View) -> str:
    pause = view.backlog.paused
    assert pause is not None
    since = view.words.duration(seconds_between(pause.at, view.backlog.at))
    return view.say("%(actor)s paused the queue %(time)s ago.", actor=pause.actor, time=since)


def _forced(sentence: str) -> Callable[[_View], str]:
    def headline(view: _View) -> str:
        override = view.breaker.override
        assert override is not None
        since = view.words.duration(view.breaker.store_time - override.set_at)
        return view.say(sentence, actor=override.actor, time=since)

    return headline


def _rejected(view: _View) -> str:
    return view.words.count(
        "The payment service rejected %(number)s order: check its address and credentials.",
        "The payment service rejected %(number)s orders: check its address and credentials.",
        view.backlog.rejected.orders,
    )


def _needs_person(view: _View) -> str:
    return view.words.count(
        "%(number)s thing needs a person.", "%(number)s things need a person.", view.people_wanted
    )


def _fixed(sentence: str) -> Callable[[_View], str]:
    return lambda view: view.say(sentence)


def _has(*kinds: ObstacleKind) -> Callable[[_View], bool]:
    return lambda view: any(view.has(kind) for kind in kinds)


def _alarm(kind: AlarmKind) -> Callable[[_View], bool]:
    return lambda view: kind in view.alarms


def _overridden(mode: OverrideMode) -> Callable[[_View], bool]:
    return lambda view: view.override is mode


_Rule = tuple[Situation, Severity, Callable[[_View], bool], Callable[[_View], str]]

_SITUATIONS: tuple[_Rule, ...] = (
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
        _forced("%(actor)s stopped all payments %(time)s ago: the circuit is forced open."),
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
        lambda view: (
            _alarm(AlarmKind.NOTHING_COMPLETED)(view)
            or _has(ObstacleKind.WORKERS_IDLE, ObstacleKind.NONE_FINISHED)(view)
        ),
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
        _forced("%(actor)s overrode the circuit %(time)s ago: it lets every payment through."),
    ),
    (
        Situation.SLOW,
        Severity.WATCH,
        _has(ObstacleKind.LIMIT_REACHED, ObstacleKind.THROTTLED),
        _fixed("The payment service is slow, or asks for a pause: it gets fewer calls."),
    ),
    (Situation.NEEDS_PERSON, Severity.ACT, lambda view: view.people_wanted > 0, _needs_person),
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


def _facts(situation: Situation, view: _View) -> Iterator[str]:
    """The extent of a situation, then what is next."""
    backlog, words = view.backlog, view.words
    if backlog.queued:
        yield waiting_text(view.seen, words)
        yield words.text("Oldest %(time)s.", time=words.duration(backlog.oldest_age_seconds))
    if view.people_wanted:
        if situation is not Situation.NEEDS_PERSON:
            yield _needs_person(view)
        yield _people_wanted_for(view)
    yield from _next(situation, view)
    if situation in _ADVICE:
        yield words.text(_ADVICE[situation])


def _people_wanted_for(view: _View) -> str:
    backlog, words = view.backlog, view.words
    numbers = [
        (message("%(number)s dead"), backlog.dead),
        (message("%(number)s in review"), backlog.review),
        (message("open incidents: %(number)s"), backlog.incidents),
    ]
    parts = [words.text(text, number=words.number(number)) for text, number in numbers if number]
    return f"({', '.join(parts)})"


def waiting_text(seen: Seen, words: Words) -> str:
    """How many orders wait, and their money."""
    backlog = seen.backlog
    money = words.amounts(seen.extra.money.get("queued", {}) or backlog.amounts)
    values = {"money": money} if money else {}
    at_least = backlog.counted is Counted.AT_LEAST
    return words.count(*_WAITING[bool(money), at_least], backlog.queued, **values)


# What to do, or what happens without a person.
_ADVICE = {
    Situation.READ_ONLY: message("Nothing is charged until it takes writes again."),
    Situation.NO_WORKER: message("Start one: `breakwall worker`."),
    Situation.BROKER_AWAY: message("Run `breakwall doctor`."),
    Situation.STORE_LOST: message("Run `breakwall doctor`."),
    Situation.UNPROBED: message("Start a worker, or look at the workers below."),
    Situation.OTHER_GATEWAY: message("Run a worker with the settings of that gateway."),
    Situation.REJECTED: message("Run `breakwall doctor`: it asks the service itself."),
    Situation.STALLED: message("Look at the workers below, and restart one that hangs."),
    Situation.HANGING: message("It is tried again as soon as those calls have ended."),
    Situation.PROBING: message("If they succeed, the backlog drains by itself."),
}

_WAITING = {
    (True, False): plural(
        "%(number)s order (%(money)s) waiting, none lost.",
        "%(number)s orders (%(money)s) waiting, none lost.",
    ),
    (True, True): plural(
        "At least %(number)s order (%(money)s or more) waiting, none lost.",
        "At least %(number)s orders (%(money)s or more) waiting, none lost.",
    ),
    (False, False): plural("%(number)s order waiting, none lost.", "%(number)s orders waiting, none lost."),
    (False, True): plural(
        "At least %(number)s order waiting, none lost.",
        "At least %(number)s orders waiting, none lost.",
    ),
}


def _next(situation: Situation, view: _View) -> Iterator[str]:
    words, backlog = view.words, view.backlog
    if situation is Situation.DOWN:
        if view.breaker.retry_after > 0:
            yield words.text("Next probe in %(time)s.", time=words.duration(view.breaker.retry_after))
        else:
            yield words.text("The next order is a probe.")
    elif situation is Situation.PAUSED:
        yield from _end(view, None if backlog.paused is None else _left(view))
    elif situation in {Situation.FORCED_OPEN, Situation.FORCED_CLOSED}:
        expiry = view.breaker.override and view.breaker.override.expires_at
        yield from _end(view, None if expiry is None else expiry - view.breaker.store_time)
    elif situation in _DRAINING and backlog.drain_eta_range_seconds and backlog.queued:
        least, most = backlog.drain_eta_range_seconds
        yield words.text("Done in about %(time)s.", time=time_range(least, most, words))
    elif situation is Situation.WAITING and backlog.next_due_seconds:
        yield words.text("The next is due in %(time)s.", time=words.duration(backlog.next_due_seconds))


_DRAINING = {Situation.DRAINING, Situation.SLOW, Situation.NEEDS_PERSON, Situation.FORCED_CLOSED}


def _left(view: _View) -> float | None:
    until = view.backlog.paused and view.backlog.paused.until
    return None if until is None else seconds_between(view.backlog.at, until)


def _end(view: _View, seconds: float | None) -> Iterator[str]:
    if seconds is None:
        yield view.words.text("It stays so until a person ends it.")
    else:
        yield view.words.text("It ends by itself in %(time)s.", time=view.words.duration(seconds))


def time_range(least: float, most: float, words: Words) -> str:
    """Such as ``4 min – 6 min``, or one time if both are the same in words."""
    first, last = words.duration(least), words.duration(most)
    return first if first == last else f"{first} – {last}"
