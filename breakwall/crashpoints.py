"""Names every place where a process can die between two steps of an order.

The code passes these points; they do nothing until a test arms them. The promise "whatever dies and whenever" rests on
a test that kills the process at each of them, restarts it, and finds every order charged once.
"""

from collections.abc import Callable

# The transactions that change orders: a point before the commit of each, and one after it.
TRANSACTIONS = (
    "accept_sending",
    "accept_queued",
    "claim",
    "defer",
    "release",
    "begin_attempt",
    "record",
    "record_look_up",
    "prove_absent",
    "close_claim",
    "take_due",
    "give_back_due",
    "reclaim_expired",
    "retry",
    "cancel",
    "resolve",
    "suspect",
)

# The calls to other servers: a point before each, and one after it.
STEPS = ("charge", "look_up", "publish", "acknowledge")

POINTS = tuple(f"{moment} {what}" for what in (*TRANSACTIONS, *STEPS) for moment in ("before", "after"))

_armed: Callable[[str], None] | None = None


def reach(moment: str, what: str) -> None:
    """Pass the point ``f"{moment} {what}"``."""
    if _armed is not None:
        _armed(f"{moment} {what}")


def arm(on_reach: Callable[[str], None] | None) -> None:
    """Call ``on_reach`` with the name of each point that is passed; None disarms. For tests."""
    global _armed
    _armed = on_reach
