"""Keys that a person's action changes, because no attempt under the old one could ever succeed.

Services that deduplicate may store a refusal under its key, a 400 for instance, and give it again for as long
as the key lives (Stripe does, the Idempotency-Key draft of the IETF allows it): once the cause is mended, only
another key gets past it. Until then the old one stays, which protects against a request that is late.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, and_, bindparam, func, not_, or_, select, update

from breakwall.payments.gateways.base import Outcome
from breakwall.payments.keys import renewed_key
from breakwall.payments.schema import UNSETTLED, attempts, orders

RESOLVED_BY = "Resolved by"
LOOKED_UP = "Looked up afterwards"
"""How the details of attempts begin that were settled by something else than the service's answer to them."""

_UNNOTICED = attempts.c.outcome.in_([Outcome.NOT_SENT, Outcome.THROTTLED])
_TOLD = func.coalesce(attempts.c.detail, "")
_REFUSED = and_(
    attempts.c.outcome == Outcome.FAILED,
    not_(or_(*(_TOLD.startswith(words, autoescape=True) for words in (RESOLVED_BY, LOOKED_UP)))),
)


def spent_keys(connection: Connection, locked: Sequence[Row[Any]]) -> set[str]:
    """The ids of those of some locked orders whose key the service has spent on a refusal.

    That is proof that nothing was charged: every attempt is settled, and the newest that the service took
    notice of, under the key in use, was refused in so many words. A look-up's "no such charge" is none.
    """
    ids = [order.id for order in locked]
    newest = (
        select(attempts.c.order_id, func.max(attempts.c.number).label("number"))
        .where(attempts.c.order_id.in_(ids), or_(attempts.c.outcome.is_(None), not_(_UNNOTICED)))
        .group_by(attempts.c.order_id)
        .subquery()
    )
    unsettled = select(attempts.c.order_id).where(attempts.c.order_id.in_(ids), UNSETTLED)
    spent = (
        select(orders.c.id)
        .join(newest, newest.c.order_id == orders.c.id)
        .join(attempts, and_(attempts.c.order_id == orders.c.id, attempts.c.number == newest.c.number))
        .where(attempts.c.gateway_key == orders.c.charge_key, _REFUSED)
        .where(orders.c.id.not_in(unsettled))
    )
    return set(connection.scalars(spent))


def renew_spent_keys(connection: Connection, locked: Sequence[Row[Any]]) -> None:
    """Give those of some locked orders a new key that need one, see `spent_keys`.

    Their fence is raised, so that no claim, before or after, makes the same key again.
    """
    spent = spent_keys(connection, locked)
    renewed = [
        {"of": order.id, "to": order.fence + 1, "key": renewed_key(order.id, order.fence + 1)}
        for order in locked
        if order.id in spent
    ]
    if renewed:
        change = update(orders).where(orders.c.id == bindparam("of"))
        connection.execute(change.values(fence=bindparam("to"), charge_key=bindparam("key")), renewed)
