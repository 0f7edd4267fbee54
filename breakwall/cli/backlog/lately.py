"""How the backlog has changed, and why attempts failed, as fields of `breakwall backlog`."""

from breakwall.monitor.backlog import Backlog
from breakwall.monitor.failures import FailureGroup
from breakwall.terminal.output import plain
from breakwall.terminal.words import count

MOST_KINDS = 3  # Kinds of failures that are shown; in JSON there are more.


def lately(snapshot: Backlog, *, brief: bool) -> dict[str, str]:
    """Rich markup by name; ``brief``: without the failures, which make long lines."""
    found = {}
    if snapshot.net_rate is not None and (snapshot.queued or snapshot.net_rate):
        found["change"] = _change(snapshot.net_rate, snapshot.arrivals_last_minute)
    if snapshot.broker_difference:
        found["messages"] = _difference(snapshot.broker_difference)
    if snapshot.failures and not brief:
        found["failures"] = "; ".join(map(_kind, snapshot.failures[:MOST_KINDS]))
    return found


def _change(rate: float, arrivals: int | None) -> str:
    about = f"{rate:+,.1f} orders a second"
    return (
        about if arrivals is None else f"{about}; {count(arrivals, 'order')} began to wait in the last minute"
    )


def _difference(difference: int) -> str:
    if difference > 0:
        return (
            f"[bold red]{count(difference, 'published order')} without a message[/]: the broker has lost them"
        )
    return f"[bold red]{count(-difference, 'message')} more than published orders[/]"


def _kind(group: FailureGroup) -> str:
    name = group.outcome if group.code is None else f"{group.outcome} ({plain(group.code)})"
    return f"{count(group.orders, 'order')} {name}"
