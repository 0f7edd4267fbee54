"""The points between two steps of an order at which a process may die.

They do nothing until a test arms them. A test kills the process at each point, restarts it, and checks that every order
is charged once.
"""

from collections.abc import Callable

# The transactions that change orders, or what the shop is told of them, with a point before and after each commit.
TRANSACTIONS = """
accept_sending accept_queued claim defer release begin_attempt confirm record record_look_up prove_absent close_claim
exchange undo_attempts defer_many take_due give_back_due reclaim_expired expire retry cancel resolve suspect
deliver_outcomes redeliver_outcomes create_bulk_retry collect_bulk_retry retry_batch bulk_lease
""".split()

# The calls to other servers, with a point before and after each.
STEPS = ("prepare", "charge", "look_up", "cancel_charge", "publish", "acknowledge", "deliver")

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
