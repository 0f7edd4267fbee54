"""Keys that a person's action changes, because no attempt under the old one could ever succeed.

Services that deduplicate may store a refusal under its key, a 400 for instance, and give it again for as long
as the key lives (Stripe does, the Idempotency-Key draft of the IETF allows it): once the cause is mended, only
another key gets past it. A refusal alone proves nothing, for it may mean "done already": a key is renewed once a
look-up, or a person, has said that nothing was charged under it. Until then the old one stays, which protects against
a request that is late.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, bindparam, func, not_, or_, select, update

from breakwall.payments.db.schema import SettledBy, attempts, orders
from breakwall.payments.gateways.base import Advice, Outcome
from breakwall.payments.keys import derive_charge_key
from breakwall.payments.ledger.attempt_conditions import PROVEN_OTHERWISE, REFUSED, SPENDS_KEY, UNSETTLED

_UNNOTICED = attempts.c.outcome.in_([Outcome.NOT_SENT, Outcome.THROTTLED])
_SPENT = and_(attempts.c.outcome == Outcome.FAILED, SPENDS_KEY)


def renew_spent_keys(connection: Connection, locked: Sequence[Row[Any]]) -> None:
    """Give those of some locked orders a new key that need one, and of which it is proven that nothing was charged."""
    proven = _whose_newest(connection, locked, _SPENT, PROVEN_OTHERWISE)
    renew_keys(connection, (order for order in locked if order.id in proven))


def has_spent_key(connection: Connection, order: Row[Any]) -> bool:
    """Whether the service may have stored a refusal under a locked order's key, as far as its attempts tell."""
    return bool(_whose_newest(connection, [order], _SPENT))


def renew_keys(connection: Connection, locked: Iterable[Row[Any]]) -> None:
    """Give some locked orders a new key: the next one of those that each order has, and no other order has."""
    renewed = [
        {"of": order.id, "number": order.renewals + 1, "key": derive_charge_key(order.id, order.renewals + 1)}
        for order in locked
    ]
    if renewed:
        change = update(orders).where(orders.c.id == bindparam("of"))
        connection.execute(change.values(renewals=bindparam("number"), charge_key=bindparam("key")), renewed)


def doubt_refusals(connection: Connection, locked: Sequence[Row[Any]]) -> None:
    """Have the newest refusal of each of some locked orders looked up, where it was believed without a look-up.

    Under the key that was refused: a version before has renewed keys without one, and the order gets its old one back.
    """
    found = _newest(connection, locked, _SPENT, not_(PROVEN_OTHERWISE))
    doubted = [{"of": order_id, "key": key} for order_id, key in found]
    if not doubted:
        return
    change = update(orders).where(orders.c.id == bindparam("of"))
    connection.execute(change.values(charge_key=bindparam("key")), doubted)
    connection.execute(
        update(attempts)
        .where(attempts.c.order_id == bindparam("of"), attempts.c.gateway_key == bindparam("key"))
        .where(_SPENT, REFUSED, not_(PROVEN_OTHERWISE))
        .values(outcome=Outcome.UNKNOWN, advice=Advice.STOP, spends_key=True),
        doubted,
    )


def vouch_for_refusals(connection: Connection, order_id: str) -> None:
    """Note of a locked order's refusals that a person has said that nothing was charged: none is looked up again."""
    connection.execute(
        update(attempts)
        .where(attempts.c.order_id == order_id, _SPENT, not_(PROVEN_OTHERWISE))
        .values(settled_by=SettledBy.PERSON)
    )


def _whose_newest(
    connection: Connection, locked: Sequence[Row[Any]], *conditions: ColumnElement[bool]
) -> set[str]:
    """The ids of those orders that `_newest` finds by an attempt under the key in use."""
    under_key_in_use = attempts.c.gateway_key == orders.c.charge_key
    return {order_id for order_id, _ in _newest(connection, locked, under_key_in_use, *conditions)}


def _newest(
    connection: Connection, locked: Sequence[Row[Any]], *conditions: ColumnElement[bool]
) -> list[tuple[str, str]]:
    """The ids of those of some locked orders whose newest attempt that the service took notice of meets the
    conditions, while no attempt may have charged; each with the key that this attempt was sent under."""
    ids = [order.id for order in locked]
    newest = (
        select(attempts.c.order_id, func.max(attempts.c.number).label("number"))
        .where(attempts.c.order_id.in_(ids), or_(attempts.c.outcome.is_(None), not_(_UNNOTICED)))
        .group_by(attempts.c.order_id)
        .subquery()
    )
    unsettled = select(attempts.c.order_id).where(attempts.c.order_id.in_(ids), UNSETTLED)
    found = (
        select(orders.c.id, attempts.c.gateway_key)
        .join(newest, newest.c.order_id == orders.c.id)
        .join(attempts, and_(attempts.c.order_id == orders.c.id, attempts.c.number == newest.c.number))
        .where(*conditions, orders.c.id.not_in(unsettled))
    )
    return [(row.id, row.gateway_key) for row in connection.execute(found)]
