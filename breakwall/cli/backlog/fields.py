"""A snapshot's numbers as Rich markup: as named fields, and on one line for a log."""

from breakwall.cli.backlog.lately import lately
from breakwall.cli.breaker_text import admission, override_with_reason
from breakwall.cli.queue.drain_state import paused_by
from breakwall.monitor.alarms import AlarmKind
from breakwall.monitor.backlog import Backlog
from breakwall.monitor.counts import Counted
from breakwall.terminal.output import plain
from breakwall.terminal.words import count, duration, moment, state


def backlog_fields(snapshot: Backlog, *, brief: bool = False) -> dict[str, str]:
    """The snapshot's numbers by name; ``brief``: for a screen, where no line wraps."""
    fields = {
        "waiting": f"{snapshot.queued_text} ({_due(snapshot)}){how_counted(snapshot)}",
        "oldest": duration(snapshot.oldest_age_seconds) if snapshot.queued else "none waits",
        "in flight": f"{snapshot.in_flight:,}",
        "needs a person": _needs_a_person(snapshot),
        "drained": f"{count(snapshot.drained_last_minute, 'order')} in the last minute",
        "time to drain": _drain(snapshot),
        "workers": _workers(snapshot),
        "broker": _broker(snapshot),
        "circuit": f"{state(snapshot.breaker.state.value)}; {admission(snapshot.breaker)}"
        if snapshot.breaker.store_ok
        else "unknown: its store does not answer",
        "incidents": _incidents(snapshot.incidents, brief=brief),
    }
    fields |= lately(snapshot, brief=brief)
    if snapshot.paused is not None:
        fields["paused"] = paused_by(snapshot.paused)
    if snapshot.rate is not None:
        fields["rate"] = f"at most {snapshot.rate:,.12g} orders a second"
    if snapshot.limit is not None:
        fields["limit"] = f"{count(snapshot.limit, 'call')} at once{_in_hand(snapshot)}"
    if override := override_with_reason(snapshot.breaker):
        fields["override"] = override
    if snapshot.rejected.orders:
        rejected = f"{at_least(snapshot)}{count(snapshot.rejected.orders, 'order')}"
        fields["rejected"] = f"{rejected}, for example {plain(snapshot.rejected.example)}"
    return fields


def how_counted(snapshot: Backlog) -> str:
    """How old the count is, after a comma; nothing if it is new."""
    counted_before = snapshot.counted is Counted.STORED
    return f", counted {duration(snapshot.age_seconds)} ago" if counted_before else ""


def at_least(snapshot: Backlog) -> str:
    """What to write before a number that is of some of the waiting orders only."""
    return "at least " if snapshot.counted.is_partial else ""


def one_line(snapshot: Backlog) -> str:
    """One snapshot for a log: each name with its number."""
    numbers = {
        "queued": snapshot.queued,
        "due": snapshot.due,
        "in_flight": snapshot.in_flight,
        "review": snapshot.review,
        "dead": snapshot.dead,
        "incidents": snapshot.incidents,
        "oldest": duration(snapshot.oldest_age_seconds),
        "drain": "unknown" if snapshot.drain_eta_seconds is None else duration(snapshot.drain_eta_seconds),
        "workers": snapshot.workers,
        "circuit": snapshot.breaker.state.value if snapshot.breaker.store_ok else "unknown",
    }
    if snapshot.counted is not Counted.NOW:
        numbers["counted"] = snapshot.counted.value
    if snapshot.breaker.override is not None:
        numbers["override"] = snapshot.breaker.override.mode.value
    if snapshot.blocked_by:
        numbers["blocked_by"] = ",".join(obstacle.kind.value for obstacle in snapshot.blocked_by)
    if snapshot.rejected.orders:
        numbers["rejected"] = snapshot.rejected.orders
    if snapshot.warnings:
        numbers["warning"] = ",".join(alarm.kind.value for alarm in snapshot.warnings)
    shown = "  ".join(f"{name} {value}" for name, value in numbers.items())
    return f"{moment(snapshot.at)}  {shown}"


def _due(snapshot: Backlog) -> str:
    if snapshot.queued == 0 or snapshot.next_due_seconds is None:
        return "none due"
    if snapshot.due:
        return f"{at_least(snapshot)}{snapshot.due:,} due now"
    return f"none due, the next in {duration(snapshot.next_due_seconds)}"


def _needs_a_person(snapshot: Backlog) -> str:
    rejected = f"{snapshot.rejected.orders:,} rejected, " if snapshot.rejected.orders else ""
    if not rejected and snapshot.review == snapshot.dead == 0:
        return "none"
    return f"[bold red]{rejected}{snapshot.review:,} in review, {snapshot.dead:,} dead[/]"


def _why_unknown(snapshot: Backlog) -> str:
    if any(obstacle.kind.stops for obstacle in snapshot.blocked_by):
        return "nothing moves"
    if snapshot.rejected.orders >= snapshot.queued:
        return "the payment service rejects each"
    return "none was drained in the last minute"


def _drain(snapshot: Backlog) -> str:
    if snapshot.drain_eta_seconds is None:
        return f"unknown: {_why_unknown(snapshot)}"
    if snapshot.queued == 0:
        return "nothing to drain"
    shortest, longest = map(duration, snapshot.drain_eta_range_seconds or (snapshot.drain_eta_seconds,) * 2)
    about = shortest if shortest == longest else f"{shortest} to {longest}"
    return f"about {about}, if no order is added"


def _in_hand(snapshot: Backlog) -> str:
    return "" if snapshot.in_hand is None else f", {snapshot.in_hand:,} in progress"


def _workers(snapshot: Backlog) -> str:
    alarmed = any(alarm.kind is AlarmKind.NO_WORKER for alarm in snapshot.warnings)
    if alarmed or not snapshot.workers:
        return "[bold red]none alive[/]" if alarmed else "none alive"
    alive = f"{snapshot.workers:,} alive, with {count(snapshot.slots, 'slot')}"
    if not snapshot.workers_lacking:
        return alive
    verb = "has" if snapshot.workers_lacking == 1 else "have"
    return (
        f"{alive}; [bold red]{snapshot.workers_lacking:,} {verb} exhausted a resource[/]: breakwall workers"
    )


def _broker(snapshot: Backlog) -> str:
    if snapshot.broker_awaits_worker:
        return "not running: a worker starts it"
    if snapshot.broker_messages is None:
        return "[bold red]does not answer[/]: until it does, orders wait in the database"
    return count(snapshot.broker_messages, "message")


def _incidents(number: int, *, brief: bool) -> str:
    if number == 0:
        return "none"
    see = "breakwall orders incidents" if brief else "charges to check, see breakwall orders incidents"
    return f"[bold red]{number:,} open: {see}[/]"
