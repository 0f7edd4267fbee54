"""A snapshot of the backlog or of the breaker in words. Every text is Rich markup."""

from __future__ import annotations

from typing import TYPE_CHECKING

from breakwall.breaker import BreakerStatus, CircuitState, Override, OverrideMode
from breakwall.monitor.alarms import Trouble
from breakwall.monitor.backlog import Backlog, refuses_all
from breakwall.terminal.output import plain
from breakwall.terminal.words import count, duration, moment, state

if TYPE_CHECKING:
    from rich.console import RenderableType


def verdict(seen: Backlog) -> str:
    """What an operator wants to know first, in two or three sentences."""
    return " ".join(_sentences(seen))


def warnings(seen: Backlog) -> list[str]:
    """What is wrong, each with what to do about it in a line below."""
    return [
        line
        for alarm in seen.warnings
        for line in (f"[bold red]{plain(alarm.message)}[/]", f"  → {plain(alarm.advice)}")
    ]


def one_line(seen: Backlog) -> str:
    """One look for a log: the numbers behind their names."""
    numbers = {
        "queued": seen.queued,
        "due": seen.due,
        "in_flight": seen.in_flight,
        "review": seen.review,
        "dead": seen.dead,
        "incidents": seen.incidents,
        "oldest": duration(seen.oldest_age_seconds),
        "drain": "unknown" if seen.drain_eta_seconds is None else duration(seen.drain_eta_seconds),
        "breaker": seen.breaker.state.value if seen.breaker.store_ok else "unknown",
    }
    if seen.workers is not None:
        numbers["workers"] = seen.workers
    if seen.breaker.override is not None:
        numbers["override"] = seen.breaker.override.mode.value
    if seen.rejected.orders:
        numbers["rejected"] = seen.rejected.orders
    if seen.warnings:
        numbers["warning"] = ",".join(alarm.kind.value for alarm in seen.warnings)
    shown = "  ".join(f"{name} {value}" for name, value in numbers.items())
    return f"{moment(seen.at)}  {shown}"


def backlog_fields(seen: Backlog) -> dict[str, str]:
    """The snapshot's numbers, by what an operator calls them."""
    fields = {
        "waiting": f"{seen.queued:,} ({_due(seen)})",
        "oldest": f"{duration(seen.oldest_age_seconds)}" if seen.queued else "none waits",
        "in flight": f"{seen.in_flight:,}",
        "needs a person": _needs_a_person(seen),
        "drained": f"{count(seen.drained_last_minute, 'order')} in the last minute",
        "time to drain": _drain(seen),
        "workers": _workers(seen),
        "broker": _broker(seen),
        "circuit": f"{state(seen.breaker.state.value)}; {_admission(seen.breaker)}"
        if seen.breaker.store_ok
        else "not known: its store does not answer",
        "incidents": _incidents(seen.incidents),
    }
    if seen.breaker.override is not None:
        fields["override"] = _override(seen.breaker, seen.breaker.override)
    if seen.rejected.orders:
        fields["rejected"] = (
            f"{count(seen.rejected.orders, 'order')}, for example {plain(seen.rejected.example)}"
        )
    return fields


def panel(seen: Backlog, *, error: str | None = None) -> RenderableType:
    """The same for a screen that is drawn again and again; no line of it is longer than that is wide.

    Args:
        error: why there is no newer look than this one.
    """
    from rich.console import Group
    from rich.text import Text

    told = [f"[bold red]Error:[/] {plain(error)}"] if error else _lines(seen)
    taken = f"{moment(seen.at)}; Ctrl-C ends" if error is None else f"as of {moment(seen.at)}; Ctrl-C ends"
    return Group(*map(Text.from_markup, told), _table(seen), Text(taken, style="dim"))


def _table(seen: Backlog) -> RenderableType:
    from rich.table import Table
    from rich.text import Text

    fields = backlog_fields(seen) | {"incidents": _incidents(seen.incidents, brief=True)}
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True, min_width=max(map(len, fields)))
    table.add_column()
    for name, value in fields.items():
        cell = Text.from_markup(value, overflow="ellipsis")
        cell.no_wrap = True  # Not of the column: Rich would take room from the names for it.
        table.add_row(name, cell)
    return table


def _lines(seen: Backlog) -> list[str]:
    """The verdict and the warnings, each short enough for a line of 80 columns."""
    lines = [_waiting(seen), _circuit(seen, brief=True)]
    if seen.rejected.orders:
        wrong, what_to_do = _what_to_mend(seen.rejected.orders)
        lines += [f"{wrong}.", f"  → {what_to_do[0].upper()}{what_to_do[1:]}"]
    return [*lines, *warnings(seen)]


def breaker_fields(status: BreakerStatus) -> dict[str, str]:
    """The circuit, by what an operator calls its parts."""
    fields = {
        "circuit": plain(status.name),
        "state": state(status.state.value) + ("" if status.store_ok else ", for a process on its own"),
        "override": "none" if status.override is None else _override(status, status.override),
        "calls": _admission(status),
        "in the window": f"{count(status.failure_count, 'failure')}, "
        f"{count(status.success_count, 'success', 'successes')}",
        "opened": count(status.open_count, "time"),
        "last failure": _ago(status, status.last_failure_at),
        "generation": str(status.generation),
        "store": "ok" if status.store_ok else f"does not answer ({plain(status.store_error)})",
    }
    if status.state is not CircuitState.CLOSED:
        fields["open since"] = _ago(status, status.opened_at)
    return fields


def _sentences(seen: Backlog) -> list[str]:
    sentences = [_waiting(seen), _circuit(seen)]
    if seen.rejected.orders:
        sentences.append(": ".join(_what_to_mend(seen.rejected.orders)))
    return sentences


def _waiting(seen: Backlog) -> str:
    if seen.queued == 0:
        return "No order waits."
    verb = "waits" if seen.queued == 1 else "wait"
    return f"{count(seen.queued, 'order')} {verb}, the oldest for {duration(seen.oldest_age_seconds)}."


def _circuit(seen: Backlog, *, brief: bool = False) -> str:
    """``brief``: who overruled it and for how long is told elsewhere."""
    status, passing = seen.breaker, _passing(seen)
    if not status.store_ok:
        return "Whether the circuit is open is not known."
    if status.override is not None:
        result = "no payment is tried" if refuses_all(status) else f"every payment {passing[0]}"
        own = f"its own state is {state(status.state.value)}"
        word = _mode(status.override) if brief else _word(status, status.override)
        return f"The circuit is {word}: {result}; {own}."
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
    """What is known of each payment, and of many, that the circuit lets through."""
    if seen.rejected.orders and not seen.warnings:
        return "is tried", "are tried"
    unseen = seen.queued and not seen.drained_last_minute
    if seen.warnings or unseen or seen.breaker.state is not CircuitState.CLOSED:
        return "is let through", "are let through"
    return "goes through", "go through"


def _what_to_mend(rejected: int) -> tuple[str, str]:
    """What is wrong, and what to do about it."""
    which = "1 order when it was" if rejected == 1 else f"{rejected:,} orders when they were"
    return (
        f"[bold red]The payment service rejected {which} last tried[/]",
        "check BREAKWALL_PAYMENT_URL, run breakwall doctor.",
    )


def _due(seen: Backlog) -> str:
    if seen.queued == 0 or seen.next_due_seconds is None:
        return "none due"
    if seen.due:
        return f"{seen.due:,} due now"
    return f"none due, the next in {duration(seen.next_due_seconds)}"


def _needs_a_person(seen: Backlog) -> str:
    rejected = f"{seen.rejected.orders:,} rejected, " if seen.rejected.orders else ""
    if not rejected and seen.review == seen.dead == 0:
        return "none"
    return f"[bold red]{rejected}{seen.review:,} in review, {seen.dead:,} dead[/]"


def _drain(seen: Backlog) -> str:
    if seen.drain_eta_seconds is None:
        stopped = seen.breaker.state is CircuitState.OPEN
        return f"unknown: {'the circuit is open' if stopped else 'nothing was drained of late'}"
    if seen.queued == 0:
        return "nothing to drain"
    return f"about {duration(seen.drain_eta_seconds)}, if nothing more comes in"


def _workers(seen: Backlog) -> str:
    if seen.workers is None:
        return "not known: the database is at a revision before their heartbeats"
    alarmed = any(alarm.kind is Trouble.NO_WORKER for alarm in seen.warnings)
    if alarmed or not seen.workers:
        return "[bold red]none alive[/]" if alarmed else "none alive"
    told = f"{seen.workers:,} alive, with {count(seen.slots, 'slot')}"
    if not seen.workers_lacking:
        return told
    verb = "lacks" if seen.workers_lacking == 1 else "lack"
    return f"{told}; [bold red]{seen.workers_lacking:,} {verb} something[/]: breakwall workers"


def _broker(seen: Backlog) -> str:
    if seen.broker_awaits_worker:
        return "not running: a worker starts it"
    if seen.broker_messages is None:
        return "[bold red]does not answer[/]: until it does, orders wait in the database"
    return count(seen.broker_messages, "message")


def _incidents(number: int, *, brief: bool = False) -> str:
    if number == 0:
        return "none"
    if brief:
        return f"[bold red]{number:,} open: breakwall orders incidents[/]"
    return f"[bold red]{number:,} open: charges to look at, see breakwall orders incidents[/]"


def _admission(status: BreakerStatus) -> str:
    if status.slots is None:
        return "let through"
    if status.slots:
        return "room for " + count(status.slots, "probe")
    if status.override is not None and status.override.expires_at is None:
        return "refused until the override is lifted"
    return f"refused, the next try in {duration(status.retry_after)}"


def _ago(status: BreakerStatus, at: float | None) -> str:
    return "-" if at is None else f"{duration(status.store_time - at)} ago"


def _override(status: BreakerStatus, override: Override) -> str:
    return f"{_word(status, override)}: {plain(override.reason)}"


def _word(status: BreakerStatus, override: Override) -> str:
    until = (
        "until it is lifted"
        if override.expires_at is None
        else f"for another {duration(override.expires_at - status.store_time)}"
    )
    return f"{_mode(override)} by {plain(override.actor)} {until}"


def _mode(override: Override) -> str:
    what = {
        OverrideMode.FORCED_OPEN: "forced open",
        OverrideMode.FORCED_CLOSED: "forced closed",
        OverrideMode.OBSERVING: "observing only",
    }[override.mode]
    return f"[bold]{what}[/]"
