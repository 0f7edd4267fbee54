"""What the page shows of a snapshot, as plain values in the reader's language: the templates only place them. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from breakwall.monitor.failures import FailureGroup
from breakwall.monitor.retry_shape import DueBucket, RetryBucket
from breakwall.payments.db.clock import seconds_between
from breakwall.payments.fleet.workers import Worker
from breakwall.web.page.circuit_changes import CircuitChange, circuit_changes
from breakwall.web.page.circuit_view import CircuitView, Figure, circuit_view
from breakwall.web.page.drain_view import pause_said, rate_said
from breakwall.web.page.labels import OUTCOMES, label
from breakwall.web.page.own_texts import own_text
from breakwall.web.page.snapshot import PageSnapshot
from breakwall.web.page.verdict import PageVerdict, time_range, verdict
from breakwall.web.page.words import Words

_DASH = "–"


@dataclass(frozen=True, slots=True)
class Bar:
    """A row of a histogram. ``share``: of the longest one, 0 to 100."""

    name: str
    value: str
    share: float


@dataclass(frozen=True, slots=True)
class FailureRow:
    """Orders that failed in the same way. ``sample``: the id of one of them."""

    what: str
    orders: str
    last: str
    sample: str
    detail: str


@dataclass(frozen=True, slots=True)
class WorkerRow:
    """One worker, live or silent."""

    name: str
    alive: bool
    slots: str
    seen: str
    idle: str
    note: str


@dataclass(frozen=True, slots=True)
class PageView:
    """All that changes while the page is open."""

    at: datetime
    read: str
    age: str
    stale: bool
    partial: bool
    verdict: PageVerdict
    title: str
    circuit: CircuitView
    circuit_changes: tuple[CircuitChange, ...]
    figures: tuple[Figure, ...]
    retries: tuple[Bar, ...]
    next_retries: tuple[Bar, ...]
    failures: tuple[FailureRow, ...]
    paused: str | None
    rate: str
    workers: tuple[WorkerRow, ...]
    fleet: tuple[Figure, ...]
    warnings: tuple[tuple[str, str], ...]


def page_view(seen: PageSnapshot, words: Words) -> PageView:
    """The view of a snapshot."""
    backlog = seen.backlog
    found = verdict(seen, words)
    waiting = words.count("%(number)s waiting", "%(number)s waiting", backlog.queued)
    return PageView(
        at=backlog.at,
        read=words.moment(backlog.at),
        age=words.duration(seen.age + backlog.age_seconds),
        stale=seen.is_stale,
        partial=backlog.counted.is_partial,
        verdict=found,
        title=f"{found.severity.symbol} {waiting}",
        circuit=circuit_view(seen, words),
        circuit_changes=circuit_changes(seen, words),
        figures=tuple(_figures(seen, words)),
        retries=_bars([(_retries(bar, words), bar.orders) for bar in backlog.retry_histogram], words),
        next_retries=_bars([(_within(one, words), one.orders) for one in backlog.next_retries], words),
        failures=tuple(_failure(one, seen, words) for one in backlog.failures),
        paused=pause_said(backlog.paused, backlog.at, words),
        rate=rate_said(backlog.rate, words),
        workers=tuple(_worker(worker, words) for worker in seen.workers),
        fleet=tuple(_fleet(seen, words)),
        warnings=tuple(_warnings(seen, found, words)),
    )


def _warnings(seen: PageSnapshot, found: PageVerdict, words: Words) -> Iterator[tuple[str, str]]:
    """The alarms with their advice, but for one that the verdict says whole."""
    for alarm in seen.backlog.warnings:
        if alarm.kind.value != found.situation.value:
            yield own_text(alarm.message, words), own_text(alarm.advice, words)


def _figures(seen: PageSnapshot, words: Words) -> Iterator[Figure]:
    """The five numbers."""
    backlog = seen.backlog
    money = words.amounts(backlog.amounts)
    yield Figure(
        words.text("Waiting"), words.number(backlog.queued), money or words.text("nobody waits for a charge")
    )
    flight = words.text("and %(number)s in flight", number=words.number(backlog.in_flight))
    yield Figure(words.text("Due now"), words.number(backlog.due), flight)
    due = words.text("due for %(time)s at most", time=words.duration(backlog.oldest_due_age_seconds))
    yield Figure(words.text("Oldest"), words.duration(backlog.oldest_age_seconds), due)
    yield Figure(words.text("Net rate"), _net(backlog.net_rate, words), _flow(seen, words))
    yield Figure(words.text("Time to drain"), _drain(seen, words), _assumption(seen, words))


def _net(rate: float | None, words: Words) -> str:
    if rate is None:
        return _DASH
    return words.text("%(number)s/s", number=_signed(rate, words))


def _signed(number: float, words: Words) -> str:
    sign = "+" if number > 0 else "−" if number < 0 else ""
    return f"{sign}{words.number(abs(number))}"


def _flow(seen: PageSnapshot, words: Words) -> str:
    done = words.number(seen.backlog.drained_last_minute)
    arrived = seen.backlog.arrivals_last_minute
    if arrived is None:
        return words.text("%(done)s done in the last minute", done=done)
    return words.text("last minute: %(new)s new, %(done)s done", new=words.number(arrived), done=done)


def _drain(seen: PageSnapshot, words: Words) -> str:
    backlog = seen.backlog
    if backlog.queued == 0:
        return words.text("empty")
    if backlog.drain_eta_range_seconds is None:
        return words.text("not known")
    least, most = backlog.drain_eta_range_seconds
    return time_range(least, most, words)


def _assumption(seen: PageSnapshot, words: Words) -> str:
    backlog = seen.backlog
    if backlog.queued and backlog.drain_eta_range_seconds is None:
        return words.text("because nothing moves")
    return words.text("at the speed of the last minutes, if no order comes or fails")


def _bars(rows: Sequence[tuple[str, int]], words: Words) -> tuple[Bar, ...]:
    """The rows; none if they have no orders."""
    longest = max((number for _, number in rows), default=0)
    if not longest:
        return ()
    return tuple(Bar(name, words.number(number), 100 * number / longest) for name, number in rows)


def _retries(bar: RetryBucket, words: Words) -> str:
    if bar.most is None:
        return words.text("%(number)s or more", number=bar.least)
    return f"{bar.least}" if bar.least == bar.most else f"{bar.least}–{bar.most}"


def _within(one: DueBucket, words: Words) -> str:
    seconds = one.within_seconds
    if seconds is None:
        return words.text("later")
    if seconds <= 0:
        return words.text("now")
    return words.text("within %(time)s", time=words.duration(seconds))


def _failure(kind: FailureGroup, seen: PageSnapshot, words: Words) -> FailureRow:
    what = label(OUTCOMES, kind.outcome, words)
    gone = words.duration(seconds_between(kind.last_seen, seen.backlog.at))
    ago = words.text("%(time)s ago", time=gone)
    named = f"{what} · {kind.code}" if kind.code else what
    return FailureRow(named, words.number(kind.orders), ago, kind.sample, kind.detail or "")


def _worker(worker: Worker, words: Words) -> WorkerRow:
    seen = words.text("%(time)s ago", time=words.duration(worker.silent_seconds))
    idle = words.duration(worker.idle_seconds)
    hangs = words.text("waits: the payment service hangs") if worker.hanging else ""
    note = own_text(worker.lacks, words) if worker.lacks else hangs
    return WorkerRow(worker.name, worker.alive, words.number(worker.slots), seen, idle, note)


def _fleet(seen: PageSnapshot, words: Words) -> Iterator[Figure]:
    backlog = seen.backlog
    slots = words.text("%(number)s orders at once", number=words.number(backlog.slots))
    yield Figure(words.text("Workers alive"), words.number(backlog.workers), slots)
    messages = backlog.broker_messages
    away = words.text("the broker does not answer")
    note = away if messages is None else words.text("a message is a hint; the database has the orders")
    yield Figure(
        words.text("Messages at the broker"), _DASH if messages is None else words.number(messages), note
    )
    difference = seen.backlog.broker_difference
    if difference is not None:
        note = words.text("+: orders without a message, −: messages too many. If it lasts, it is a fault")
        yield Figure(words.text("Difference"), _signed(difference, words), note)
