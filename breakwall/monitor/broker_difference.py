"""Compares the orders that are published by the database with the messages that the broker holds.

The dispatcher writes into an order's row until when its message counts as live (`dispatch_at`), so that a due order
that is not to be dispatched yet has a message: at the broker, or in a worker that has taken it and has not claimed the
order yet. Messages and orders come and go at any moment, so a difference means something only if it stands.
"""

from collections.abc import Sequence

from sqlalchemy import Connection, func, select

from breakwall.broker.connections.base import IDS_A_MESSAGE
from breakwall.monitor.history.sample import Sample
from breakwall.payments.db.clock import Clock
from breakwall.payments.db.query_hints import likely, once
from breakwall.payments.db.schema import QUEUED, orders

MOST = 5_000  # Orders that are read: several times as many as the dispatcher publishes.
HELD_PER_SLOT = 4  # Orders that a worker takes for each of its slots: `worker/drain/drain.py`.
STANDS_FOR = 45.0  # Seconds for which each sample has the difference.


def count_published(connection: Connection, clock: Clock) -> int:
    """Due orders with a live message, of the first `MOST` that are dispatched next."""
    ahead = (
        select(orders.c.next_attempt_at)
        .where(likely(orders.c.status == QUEUED), orders.c.dispatch_at > once(clock.after(0)))
        .order_by(orders.c.dispatch_at)
        .limit(MOST)
        .subquery()
    )
    due = ahead.c.next_attempt_at <= once(clock.after(0))
    return connection.scalar(select(func.count()).select_from(ahead).where(due)) or 0


def difference(published: int, messages: int | None, slots: int) -> int | None:
    """How many of the published orders have no message (+), or how many messages are too many (−); 0: it may be right.

    A message has 1 to `IDS_A_MESSAGE` orders, and the workers have up to `HELD_PER_SLOT` for each of their ``slots``.
    None: the broker does not answer.
    """
    if messages is None:
        return None
    most = messages * IDS_A_MESSAGE + HELD_PER_SLOT * slots
    if published > most:
        return published - most
    return min(0, published - messages)


def standing_difference(samples: Sequence[Sample]) -> int | None:
    """The smallest of the differences, if all samples have one in the same direction; else 0. None: unknown.

    ``samples``: the last ones. While the circuit is not closed or the queue is paused, they have none: nothing is
    published then, and messages from before stay at the broker.
    """
    known = [one.broker_difference for one in samples]
    if len(known) < 2 or (samples[-1].at - samples[0].at).total_seconds() < STANDS_FOR or None in known:
        return None
    values = [one for one in known if one is not None]
    if all(one > 0 for one in values) or all(one < 0 for one in values):
        return min(values, key=abs)
    return 0
