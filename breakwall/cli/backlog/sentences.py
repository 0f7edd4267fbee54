"""A snapshot in sentences, as Rich markup: a summary, and the alarms."""

import re

from breakwall.breaker import CircuitState
from breakwall.cli.backlog.fields import how_counted
from breakwall.cli.breaker_text import override_mode, override_with_actor
from breakwall.monitor.alarms import AlarmKind, refuses_all
from breakwall.monitor.backlog import Backlog
from breakwall.monitor.counts import Rejected
from breakwall.monitor.obstacles import ObstacleKind
from breakwall.terminal.output import plain
from breakwall.terminal.words import duration, state

_VARIABLE = re.compile(r"BREAKWALL_[A-Z_]+")  # In an example of a rejection: it says which ones to check.
_HELD_BY_SERVICE = {ObstacleKind.HANGING, ObstacleKind.LIMIT_REACHED, ObstacleKind.THROTTLED}


def verdict(snapshot: Backlog) -> str:
    """A summary in two or three sentences."""
    sentences = [_waiting(snapshot), _circuit(snapshot)]
    if snapshot.rejected.orders:
        sentences.append(": ".join(_what_to_correct(snapshot.rejected)))
    return " ".join(sentences)


def screen_lines(snapshot: Backlog) -> list[str]:
    """The summary and the alarms, each short enough for a line of 80 columns."""
    lines = [_waiting(snapshot), _circuit(snapshot, brief=True)]
    if snapshot.rejected.orders:
        wrong, what_to_do = _what_to_correct(snapshot.rejected)
        lines += [f"{wrong}.", f"  → {what_to_do[0].upper()}{what_to_do[1:]}"]
    return [*lines, *obstacles(snapshot), *warnings(snapshot)]


def warnings(snapshot: Backlog) -> list[str]:
    """The alarms, each with what to do on the next line."""
    return [
        line
        for alarm in snapshot.warnings
        for line in (f"[bold red]{plain(alarm.message)}[/]", f"  → {plain(alarm.advice)}")
    ]


def obstacles(snapshot: Backlog) -> list[str]:
    """Why nothing moves, on one line; no line if the other sentences say it all."""
    said = {ObstacleKind.CIRCUIT_OPEN, ObstacleKind.FORCED_OPEN}
    if any(alarm.kind is AlarmKind.NO_WORKER for alarm in snapshot.warnings):
        said.add(ObstacleKind.NO_WORKER)
    why = "; ".join(plain(one.message) for one in snapshot.blocked_by if one.kind not in said)
    return [f"[bold]Nothing moves[/]: {why}."] if why else []


def _waiting(snapshot: Backlog) -> str:
    if snapshot.queued == 0:
        return "No order waits."
    oldest = f"the oldest for {duration(snapshot.oldest_age_seconds)}"
    if snapshot.queued == 1:
        return f"1 order waits, {oldest}."
    number = f"{snapshot.queued_text[0].upper()}{snapshot.queued_text[1:]}"
    return f"{number} orders wait, {oldest}{how_counted(snapshot)}."


def _circuit(snapshot: Backlog, *, brief: bool = False) -> str:
    """``brief``: without the override's author and time, which are shown elsewhere."""
    status, passing = snapshot.breaker, _passing(snapshot)
    if not status.store_ok:
        return "The circuit's state is unknown: its store does not answer."
    if status.override is not None:
        result = "no payment is tried" if refuses_all(status) else f"every payment {passing[0]}"
        own = f"its own state is {state(status.state.value)}"
        override = override_mode(status.override) if brief else override_with_actor(status, status.override)
        return f"The circuit is {override}: {result}; {own}."
    match status.state:
        case CircuitState.CLOSED if any(one.kind in _HELD_BY_SERVICE for one in snapshot.blocked_by):
            return (
                f"The circuit is {state('closed')}."  # How many payments are let through, the next line says.
            )
        case CircuitState.CLOSED:
            return f"The circuit is {state('closed')}: payments {passing[1]}."
        case CircuitState.HALF_OPEN if snapshot.warnings or snapshot.in_flight == snapshot.abandoned:
            return f"The circuit is {state('half_open')}: a few payments are let through."
        case CircuitState.HALF_OPEN:
            return f"The circuit is {state('half_open')}: a few payments test whether the service is back."
        case CircuitState.OPEN:
            wait = duration(status.retry_after)
            return f"The circuit is {state('open')}: no payment is tried; the next in {wait}."


def _passing(snapshot: Backlog) -> tuple[str, str]:
    """What is known about one payment, and about several, if the circuit allows them."""
    if snapshot.rejected.orders and not snapshot.warnings:
        return "is tried", "are tried"
    unseen = snapshot.queued and not snapshot.drained_last_minute
    if snapshot.warnings or unseen or snapshot.breaker.state is not CircuitState.CLOSED:
        return "is let through", "are let through"
    return "goes through", "go through"


def _what_to_correct(rejected: Rejected) -> tuple[str, str]:
    """What is wrong, and what to do about it."""
    which = "1 order when it was" if rejected.orders == 1 else f"{rejected.orders:,} orders when they were"
    named = " and ".join(dict.fromkeys(_VARIABLE.findall(rejected.example or "")))
    return (
        f"[bold red]The payment service rejected {which} last tried[/]",
        f"check {named or 'the settings of payments'}; run doctor.",
    )
