"""The circuit as the page shows it: what holds, what would hold, and its window against the thresholds. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from breakwall.breaker import BreakerStatus, CircuitState, OverrideMode
from breakwall.web.page.labels import CIRCUIT_MEANINGS, CIRCUITS, OVERRIDES, label
from breakwall.web.page.snapshot import PageSnapshot
from breakwall.web.page.words import Words

_DASH = "–"
_OVERRIDDEN = {
    OverrideMode.FORCED_OPEN: "open",
    OverrideMode.FORCED_CLOSED: "closed",
    OverrideMode.OBSERVING: "closed",
}


@dataclass(frozen=True, slots=True)
class Figure:
    """One number with its name, and what it means."""

    name: str
    value: str
    note: str


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


def circuit_view(seen: PageSnapshot, words: Words) -> CircuitView:
    """The circuit of a snapshot."""
    breaker = seen.backlog.breaker
    state = state_in_force(breaker)
    return CircuitView(
        breaker.name,
        state,
        label(CIRCUITS, state, words),
        label(CIRCUIT_MEANINGS, state, words),
        None if breaker.override is None else label(CIRCUITS, breaker.state.value, words),
        override_said(breaker, words),
        tuple(_circuit_figures(seen, words)),
    )


def state_in_force(breaker: BreakerStatus) -> str:
    """What holds, with an operator's override: a key of `labels.CIRCUITS`."""
    if breaker.override is None:
        return breaker.state.value
    return _OVERRIDDEN[breaker.override.mode]


def override_said(breaker: BreakerStatus, words: Words) -> str | None:
    """The operator's override in force: whose it is, why, and when it ends; None: there is none."""
    if (override := breaker.override) is None:
        return None
    since = words.duration(breaker.store_time - override.set_at)
    what = label(OVERRIDES, override.mode.value, words)
    said = words.by(
        override.actor,
        "%(what)s by %(actor)s %(time)s ago: %(reason)s.",
        "%(what)s %(time)s ago: %(reason)s.",
        what=what,
        time=since,
        reason=override.reason,
    )
    if override.expires_at is None:
        return f"{said} {words.text('It stays so until a person ends it.')}"
    left = words.duration(override.expires_at - breaker.store_time)
    return f"{said} {words.text('It ends by itself in %(time)s.', time=left)}"


def _in_words(seconds: float, words: Words) -> str:
    return words.duration(seconds) if seconds >= 1 else words.text("now")


def _circuit_figures(seen: PageSnapshot, words: Words) -> Iterator[Figure]:
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
        sends_all = state_in_force(breaker) == "closed"  # By an override: then nothing is a probe.
        probe = _DASH if sends_all else _in_words(breaker.retry_after, words)
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
