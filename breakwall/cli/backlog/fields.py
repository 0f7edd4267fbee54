"""A snapshot's numbers in words, as Rich markup: as fields, and on one line for a log."""

from __future__ import annotations

from breakwall.breaker import CircuitState
from breakwall.cli.breaker_text import admission, override_with_reason
from breakwall.monitor.alarms import AlarmKind
from breakwall.monitor.backlog import Backlog
from breakwall.terminal.output import plain
from breakwall.terminal.words import count, duration, moment, state


def backlog_fields(seen: Backlog, *, brief: bool = False) -> dict[str, str]:
    """The snapshot's numbers, by what an operator calls them; ``brief``: for a screen, where nothing wraps."""
    fields = {
        "waiting": f"{seen.queued:,} ({_due(seen)})",
        "oldest": duration(seen.oldest_age_seconds) if seen.queued else "none waits",
        "in flight": f"{seen.in_flight:,}",
        "needs a person": _needs_a_person(seen),
        "drained": f"{count(seen.drained_last_minute, 'order')} in the last minute",
        "time to drain": _drain(seen),
        "workers": _workers(seen),
        "broker": _broker(seen),
        "circuit": f"{state(seen.breaker.state.value)}; {admission(seen.breaker)}"
        if seen.breaker.store_ok
        else "not known: its store does not answer",
        "incidents": _incidents(seen.incidents, brief=brief),
    }
    if override := override_with_reason(seen.breaker):
        fields["override"] = override
    if seen.rejected.orders:
        fields["rejected"] = (
            f"{count(seen.rejected.orders, 'order')}, for example {plain(seen.rejected.example)}"
        )
    return fields


def one_line(seen: Backlog) -> str:
    """One snapshot for a log: each number behind its name."""
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
    alarmed = any(alarm.kind is AlarmKind.NO_WORKER for alarm in seen.warnings)
    if alarmed or not seen.workers:
        return "[bold red]none alive[/]" if alarmed else "none alive"
    alive = f"{seen.workers:,} alive, with {count(seen.slots, 'slot')}"
    if not seen.workers_lacking:
        return alive
    verb = "has" if seen.workers_lacking == 1 else "have"
    return f"{alive}; [bold red]{seen.workers_lacking:,} {verb} run out of something[/]: breakwall workers"


def _broker(seen: Backlog) -> str:
    if seen.broker_awaits_worker:
        return "not running: a worker starts it"
    if seen.broker_messages is None:
        return "[bold red]does not answer[/]: until it does, orders wait in the database"
    return count(seen.broker_messages, "message")


def _incidents(number: int, *, brief: bool) -> str:
    if number == 0:
        return "none"
    see = "breakwall orders incidents" if brief else "charges to look at, see breakwall orders incidents"
    return f"[bold red]{number:,} open: {see}[/]"
