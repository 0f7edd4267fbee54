"""A snapshot in sentences, as Rich markup: what an operator wants to know first, and what is wrong."""

from __future__ import annotations

from breakwall.breaker import CircuitState
from breakwall.cli.breaker_text import override_mode, override_with_actor
from breakwall.monitor.alarms import refuses_all
from breakwall.monitor.backlog import Backlog
from breakwall.terminal.output import plain
from breakwall.terminal.words import count, duration, state


def verdict(seen: Backlog) -> str:
    """What an operator wants to know first, in two or three sentences."""
    sentences = [_waiting(seen), _circuit(seen)]
    if seen.rejected.orders:
        sentences.append(": ".join(_what_to_correct(seen.rejected.orders)))
    return " ".join(sentences)


def screen_lines(seen: Backlog) -> list[str]:
    """The verdict and the warnings, each short enough for a line of 80 columns."""
    lines = [_waiting(seen), _circuit(seen, brief=True)]
    if seen.rejected.orders:
        wrong, what_to_do = _what_to_correct(seen.rejected.orders)
        lines += [f"{wrong}.", f"  → {what_to_do[0].upper()}{what_to_do[1:]}"]
    return [*lines, *warnings(seen)]


def warnings(seen: Backlog) -> list[str]:
    """What is wrong, each with what to do about it on the next line."""
    return [
        line
        for alarm in seen.warnings
        for line in (f"[bold red]{plain(alarm.message)}[/]", f"  → {plain(alarm.advice)}")
    ]


def _waiting(seen: Backlog) -> str:
    if seen.queued == 0:
        return "No order waits."
    verb = "waits" if seen.queued == 1 else "wait"
    return f"{count(seen.queued, 'order')} {verb}, the oldest for {duration(seen.oldest_age_seconds)}."


def _circuit(seen: Backlog, *, brief: bool = False) -> str:
    """``brief``: who has overridden it and for how long is shown elsewhere."""
    status, passing = seen.breaker, _passing(seen)
    if not status.store_ok:
        return "Whether the circuit is open is not known."
    if status.override is not None:
        result = "no payment is tried" if refuses_all(status) else f"every payment {passing[0]}"
        own = f"its own state is {state(status.state.value)}"
        override = override_mode(status.override) if brief else override_with_actor(status, status.override)
        return f"The circuit is {override}: {result}; {own}."
    match status.state:
        case CircuitState.CLOSED:
            return f"The circuit is {state('closed')}: payments {passing[1]}."
        case CircuitState.HALF_OPEN if seen.warnings or seen.in_flight == seen.abandoned:
            return f"The circuit is {state('half_open')}: a few payments are let through."
        case CircuitState.HALF_OPEN:
            return f"The circuit is {state('half_open')}: a few payments try whether the service is back."
        case CircuitState.OPEN:
            wait = duration(status.retry_after)
            return f"The circuit is {state('open')}: no payment is tried; the next in {wait}."


def _passing(seen: Backlog) -> tuple[str, str]:
    """What is known of a payment, and of several, that the circuit lets through."""
    if seen.rejected.orders and not seen.warnings:
        return "is tried", "are tried"
    unseen = seen.queued and not seen.drained_last_minute
    if seen.warnings or unseen or seen.breaker.state is not CircuitState.CLOSED:
        return "is let through", "are let through"
    return "goes through", "go through"


def _what_to_correct(rejected: int) -> tuple[str, str]:
    """What is wrong, and what to do about it."""
    which = "1 order when it was" if rejected == 1 else f"{rejected:,} orders when they were"
    return (
        f"[bold red]The payment service rejected {which} last tried[/]",
        "check BREAKWALL_PAYMENT_URL, run breakwall doctor.",
    )
