"""What the page shows of a snapshot, as plain values in the reader's language: the templates only place them. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from breakwall.breaker import CircuitState
from breakwall.payments.db.clock import seconds_between
from breakwall.payments.fleet.workers import Worker
from breakwall.web.page.labels import CIRCUIT_MEANINGS, CIRCUITS, OUTCOMES, OVERRIDES, label
from breakwall.web.page.snapshot import FailureKind, HistoryPoint, NextRetries, RetryBar, Seen
from breakwall.web.page.verdict import Verdict, time_range, verdict
from breakwall.web.page.words import Words

MOST_ROWS = 12  # Of the chart's table.
_DASH = "–"


@dataclass(frozen=True, slots=True)
class Figure:
    """One number with its name, and what it means."""

    name: str
    value: str
    note: str


@dataclass(frozen=True, slots=True)
class Bar:
    """A row of a histogram. ``share``: of the longest one, 0 to 100."""

    name: str
    value: str
    share: float


@dataclass(frozen=True, slots=True)
class CircuitView:
    """``state`` is what holds, ``computed`` what holds without the operator's override, if there is one."""

    name: str
    state: str
    word: str
    meaning: str
    computed: str | None
    override: str | None
    figures: tuple[Figure, ...]


@dataclass(frozen=True, slots=True)
class FailureRow:
    """Orders that failed in the same way. ``sample``: the id of one of them."""

    what: str
    orders: str
    last: str
    sample: str | None
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
    verdict: Verdict
    title: str
    circuit: CircuitView
    figures: tuple[Figure, ...]
    retries: tuple[Bar, ...]
    next_retries: tuple[Bar, ...]
    failures: tuple[FailureRow, ...]
    paused: str | None
    rate: str
    workers: tuple[WorkerRow, ...]
    fleet: tuple[Figure, ...]
    warnings: tuple[tuple[str, str], ...]


def page_view(seen: Seen, words: Words) -> PageView:
    """The view of a snapshot."""
    backlog, extra = seen.backlog, seen.extra
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
        circuit=_circuit(seen, words),
        figures=tuple(_figures(seen, words)),
        retries=_bars([(_retries(bar, words), bar.orders) for bar in extra.retry_histogram], words),
        next_retries=_bars([(_within(one, words), one.orders) for one in extra.next_retries], words),
        failures=tuple(_failure(one, seen, words) for one in extra.failures),
        paused=_paused(seen, words),
        rate=_rate(seen, words),
        workers=tuple(_worker(worker, words) for worker in seen.workers),
        fleet=tuple(_fleet(seen, words)),
        warnings=tuple(_warnings(seen, found)),
    )


def _warnings(seen: Seen, found: Verdict) -> Iterator[tuple[str, str]]:
    """The alarms, each with its advice, but for one that the verdict has said whole."""
    for alarm in seen.backlog.warnings:
        if alarm.kind.value != found.situation.value:
            yield alarm.message, alarm.advice


def _circuit(seen: Seen, words: Words) -> CircuitView:
    breaker = seen.backlog.breaker
    override, computed = breaker.override, breaker.state.value
    forced = {"forced_open": "open", "forced_closed": "closed", "observing": "closed"}
    state = computed if override is None else forced[override.mode.value]
    return CircuitView(
        breaker.name,
        state,
        label(CIRCUITS, state, words),
        label(CIRCUIT_MEANINGS, state, words),
        None if override is None else label(CIRCUITS, computed, words),
        None if override is None else _override(seen, words),
        tuple(_circuit_figures(seen, words)),
    )


def _override(seen: Seen, words: Words) -> str:
    breaker = seen.backlog.breaker
    override = breaker.override
    assert override is not None
    since = words.duration(breaker.store_time - override.set_at)
    what = label(OVERRIDES, override.mode.value, words)
    said = words.text(
        "%(what)s by %(actor)s %(time)s ago: %(reason)s.",
        what=what,
        actor=override.actor,
        time=since,
        reason=override.reason,
    )
    if override.expires_at is None:
        return f"{said} {words.text('It stays so until a person ends it.')}"
    left = words.duration(override.expires_at - breaker.store_time)
    return f"{said} {words.text('It ends by itself in %(time)s.', time=left)}"


def _circuit_figures(seen: Seen, words: Words) -> Iterator[Figure]:
    breaker, config = seen.backlog.breaker, seen.config
    calls = breaker.failure_count + breaker.success_count
    window = words.duration(config.window)
    note = words.text(
        "opens at %(number)s failures within %(time)s", number=config.failure_threshold, time=window
    )
    yield Figure(words.text("Failures"), words.number(breaker.failure_count), note)
    if breaker.state is CircuitState.CLOSED:
        share = breaker.failure_count / calls if calls else 0.0
        rate = words.text("and at a share of %(share)s %%", share=words.number(config.failure_rate * 100))
        yield Figure(words.text("Share of failures"), f"{words.number(share * 100)} %", rate)
    else:
        probe = words.duration(breaker.retry_after)
        least = words.count(
            "closes after %(number)s success",
            "closes after %(number)s successes",
            config.half_open_max_calls,
        )
        yield Figure(words.text("Next probe in"), probe, least)
    limit = words.text("any number") if breaker.limit is None else words.number(breaker.limit)
    hand = words.text("at most: %(limit)s", limit=limit)
    yield Figure(words.text("Calls in progress"), words.number(breaker.in_hand), hand)
    last = breaker.last_failure_at
    ago = _DASH if last is None else words.duration(breaker.store_time - last)
    opened = words.count(
        "opened %(number)s time so far", "opened %(number)s times so far", breaker.open_count
    )
    yield Figure(words.text("Since the last failure"), ago, opened)


def _figures(seen: Seen, words: Words) -> Iterator[Figure]:
    """The five numbers."""
    backlog, extra = seen.backlog, seen.extra
    money = words.amounts(extra.money.get("queued", {}) or backlog.amounts)
    yield Figure(
        words.text("Waiting"), words.number(backlog.queued), money or words.text("nobody waits for a charge")
    )
    flight = words.text("and %(number)s in flight", number=words.number(backlog.in_flight))
    yield Figure(words.text("Due now"), words.number(backlog.due), flight)
    due = words.text("due for %(time)s at most", time=words.duration(backlog.oldest_due_age_seconds))
    yield Figure(words.text("Oldest"), words.duration(backlog.oldest_age_seconds), due)
    yield Figure(words.text("Net rate"), _net(extra.net_rate, words), _flow(seen, words))
    yield Figure(words.text("Time to drain"), _drain(seen, words), _assumption(seen, words))


def _net(rate: float | None, words: Words) -> str:
    if rate is None:
        return _DASH
    sign = "+" if rate > 0 else "−" if rate < 0 else ""
    return words.text("%(number)s/s", number=f"{sign}{words.number(abs(rate))}")


def _flow(seen: Seen, words: Words) -> str:
    done = words.number(seen.backlog.drained_last_minute)
    arrived = seen.extra.arrivals_last_minute
    if arrived is None:
        return words.text("%(done)s done in the last minute", done=done)
    return words.text("last minute: %(new)s new, %(done)s done", new=words.number(arrived), done=done)


def _drain(seen: Seen, words: Words) -> str:
    backlog = seen.backlog
    if backlog.queued == 0:
        return words.text("empty")
    if backlog.drain_eta_range_seconds is None:
        return words.text("not known")
    least, most = backlog.drain_eta_range_seconds
    return time_range(least, most, words)


def _assumption(seen: Seen, words: Words) -> str:
    backlog = seen.backlog
    if backlog.queued and backlog.drain_eta_range_seconds is None:
        return words.text("because nothing moves")
    return words.text("at the speed of the last minutes, if no order comes or fails")


def _bars(rows: Sequence[tuple[str, int]], words: Words) -> tuple[Bar, ...]:
    longest = max((number for _, number in rows), default=0) or 1
    return tuple(Bar(name, words.number(number), 100 * number / longest) for name, number in rows)


def _retries(bar: RetryBar, words: Words) -> str:
    if bar.most is None:
        return words.text("%(number)s or more", number=bar.least)
    return f"{bar.least}" if bar.least == bar.most else f"{bar.least}–{bar.most}"


def _within(one: NextRetries, words: Words) -> str:
    seconds = one.within_seconds
    if seconds is None:
        return words.text("later")
    if seconds <= 0:
        return words.text("now")
    return words.text("within %(time)s", time=words.duration(seconds))


def _failure(kind: FailureKind, seen: Seen, words: Words) -> FailureRow:
    what = label(OUTCOMES, kind.outcome, words)
    ago = _DASH
    if kind.last_seen is not None:
        gone = words.duration(seconds_between(kind.last_seen, seen.backlog.at))
        ago = words.text("%(time)s ago", time=gone)
    named = f"{what} · {kind.code}" if kind.code else what
    return FailureRow(named, words.number(kind.orders), ago, kind.sample, kind.detail or "")


def _paused(seen: Seen, words: Words) -> str | None:
    pause = seen.backlog.paused
    if pause is None:
        return None
    since = words.duration(seconds_between(pause.at, seen.backlog.at))
    said = words.text("Paused by %(actor)s %(time)s ago.", actor=pause.actor, time=since)
    if pause.reason:
        said = f"{said} {words.text('Reason: %(reason)s.', reason=pause.reason.rstrip('.'))}"
    if pause.until is None:
        return f"{said} {words.text('It stays so until a person ends it.')}"
    left = words.duration(seconds_between(seen.backlog.at, pause.until))
    return f"{said} {words.text('It ends by itself in %(time)s.', time=left)}"


def _rate(seen: Seen, words: Words) -> str:
    if seen.backlog.rate is None:
        return words.text("no limit, as fast as the payment service takes them")
    number = words.number(seen.backlog.rate)
    return words.text("at most %(number)s orders a second", number=number)


def _worker(worker: Worker, words: Words) -> WorkerRow:
    seen = words.text("%(time)s ago", time=words.duration(worker.silent_seconds))
    idle = words.duration(worker.idle_seconds)
    note = worker.lacks or (words.text("waits: the payment service hangs") if worker.hanging else "")
    return WorkerRow(worker.name, worker.alive, words.number(worker.slots), seen, idle, note)


def _fleet(seen: Seen, words: Words) -> Iterator[Figure]:
    backlog = seen.backlog
    slots = words.text("%(number)s orders at once", number=words.number(backlog.slots))
    yield Figure(words.text("Workers alive"), words.number(backlog.workers), slots)
    messages = backlog.broker_messages
    away = words.text("the broker does not answer")
    note = away if messages is None else words.text("a message is a hint; the database has the orders")
    yield Figure(
        words.text("Messages at the broker"), _DASH if messages is None else words.number(messages), note
    )
    difference = seen.extra.broker_difference
    if difference is not None:
        note = words.text("a lasting difference from the orders that are due is a fault")
        yield Figure(words.text("Difference"), words.number(difference), note)


@dataclass(frozen=True, slots=True)
class HistoryRow:
    """One row of the chart's table."""

    at: str
    queued: str
    arrivals: str
    completions: str
    oldest: str
    circuit: str


def history_rows(points: Sequence[HistoryPoint], words: Words) -> list[HistoryRow]:
    """The chart as a table: at most `MOST_ROWS` points, evenly chosen, the newest first."""
    step = max(1, -(-len(points) // MOST_ROWS))
    return [_history_row(point, words) for point in list(points)[::-1][::step]]


def _history_row(point: HistoryPoint, words: Words) -> HistoryRow:
    is_open = words.text("open") if point.breaker_open else words.text("closed")
    return HistoryRow(
        words.moment(point.at),
        words.number(point.queued),
        words.number(point.arrivals),
        words.number(point.completions),
        words.duration(point.oldest_due_age),
        is_open,
    )

