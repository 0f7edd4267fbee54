"""A circuit's status as Rich markup."""

from breakwall.actors import by_actor
from breakwall.breaker import BreakerStatus, CircuitState, Override, OverrideMode
from breakwall.terminal.output import field_lines, plain
from breakwall.terminal.words import count, duration, state

LOCAL = " (local circuit: the store does not answer)"

_MODES = {
    OverrideMode.FORCED_OPEN: "forced open",
    OverrideMode.FORCED_CLOSED: "forced closed",
    OverrideMode.OBSERVING: "observing only",
}


def breaker_lines(status: BreakerStatus, *, unused: bool = False) -> list[str]:
    """The circuit's fields as lines; ``unused``: its store does not exist until the first use."""
    store = {"store": "not made yet: no process has used it"} if unused else {}
    return field_lines(breaker_fields(status) | store)


def breaker_fields(status: BreakerStatus) -> dict[str, str]:
    fields = {
        "circuit": plain(status.name),
        "state": state(status.state.value) + ("" if status.store_ok else LOCAL),
        "override": override_with_reason(status) or "none",
        "calls": admission(status),
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


def admission(status: BreakerStatus) -> str:
    """What happens to the next call."""
    if status.slots is None:
        return "allowed"
    if status.slots:
        return f"{count(status.slots, 'probe')} allowed"
    if status.override is not None and status.override.expires_at is None:
        return "refused until the override is lifted"
    return f"refused; the next call in {duration(status.retry_after)}"


def override_with_reason(status: BreakerStatus) -> str | None:
    """The override: its mode, author, time and reason; None without one."""
    if status.override is None:
        return None
    return f"{override_with_actor(status, status.override)}: {plain(status.override.reason)}"


def override_with_actor(status: BreakerStatus, override: Override) -> str:
    """The override: its mode, author and time."""
    until = (
        "until it is lifted"
        if override.expires_at is None
        else f"for another {duration(override.expires_at - status.store_time)}"
    )
    return f"{override_mode(override)}{by_actor(plain(override.actor))} {until}"


def override_mode(override: Override) -> str:
    return f"[bold]{_MODES[override.mode]}[/]"


def _ago(status: BreakerStatus, at: float | None) -> str:
    return "-" if at is None else f"{duration(status.store_time - at)} ago"
