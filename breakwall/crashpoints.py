"""Every place where a process can die between two steps of an order, by name.

The code passes these points in order; they do nothing until a test arms them. A test that kills the process
at each of them, restarts, and finds every order charged once is what "whatever dies and whenever" rests on.
"""

from __future__ import annotations

from collections.abc import Callable

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
"""The ledger's transactions, each passed before its commit and after it."""

STEPS = ("charge", "look_up", "publish", "acknowledge")
"""What goes to other servers, each passed before it and after it."""

POINTS = tuple(f"{moment} {what}" for what in (*TRANSACTIONS, *STEPS) for moment in ("before", "after"))

_armed: Callable[[str], None] | None = None


def reach(moment: str, what: str) -> None:
    """Pass the point ``f"{moment} {what}"``."""
    if _armed is not None:
        _armed(f"{moment} {what}")


def arm(on_reach: Callable[[str], None] | None) -> None:
    """Have ``on_reach`` called with each point's name; None disarms. For tests."""
    global _armed
    _armed = on_reach
