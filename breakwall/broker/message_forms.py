"""The forms of a message to the workers, and which of them may be sent.

A message is a hint: it says which orders are worth a look, and the database is the truth. Each version reads its own
form and all before it, and passes over what a later one adds. So workers are rolled out first: a form is sent only
while every worker that is alive reads it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

ONE, SEVERAL = 1, 2
"""An order's id; a list of ids."""

READS = SEVERAL
"""The newest form that this version reads: what its workers say in their heartbeats."""

MOST = 500
"""Ids in one message at most: more is no message of ours."""


class Reader(Protocol):
    """A worker that is alive, as its heartbeat tells."""

    @property
    def reads(self) -> int: ...


def ids_in(argument: object) -> list[str]:
    """The orders that a message's argument names.

    Raises:
        ValueError: it is neither an id nor a list of `MOST` ids at most.
    """
    named = argument if isinstance(argument, list) else [argument]
    ids = [order_id for order_id in named if isinstance(order_id, str)]
    if len(ids) < len(named) or len(ids) > MOST:
        raise ValueError(f"a message names an order's id, or {MOST} of them at most")
    return ids


def may_send(form: int, live_workers: Iterable[Reader]) -> bool:
    """Whether a message of this form is read by whoever may get it.

    Where no worker is alive, nobody knows which one comes first, and one of before there were heartbeats leaves none:
    then only the first form may be sent, which all read.
    """
    read = [worker.reads for worker in live_workers]
    return form == ONE or (bool(read) and min(read) >= form)


def newest_form(live_workers: Iterable[Reader]) -> int:
    """The newest form of ours that may be sent."""
    alive = list(live_workers)
    return max(form for form in range(ONE, READS + 1) if may_send(form, alive))
