"""Rotates an order's key, in an action of a person, if no attempt under the old key could ever succeed.

A service that deduplicates may store a refusal, such as a 400, under its key and replay it for as long as the key lives
(Stripe does; the IETF's Idempotency-Key draft allows it). Once the cause is corrected, only another key succeeds.

A refusal alone proves nothing: it may mean "done already". So a key is rotated only after a look-up or a person has
said that nothing was charged under it. Until then the old key protects against a request that arrives late.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, bindparam, func, not_, or_, select, update

from breakwall.payments.db.schema import ResolvedBy, attempts, orders
from breakwall.payments.gateways.base import Advice, Outcome
from breakwall.payments.keys import derive_charge_key
from breakwall.payments.ledger.attempt_conditions import (
    PROVES_NO_CHARGE,
    REFUSED,
    RESOLVED_LATER,
    SPENDS_KEY,
    UNPROCESSED,
    UNRESOLVED,
)

_SPENT = and_(PROVES_NO_CHARGE, not_(UNPROCESSED), SPENDS_KEY)


def rotate_spent_keys(connection: Connection, locked: Sequence[Row[Any]]) -> None:
    """Give a new key to those of some locked orders whose key is spent, and proven to have charged nothing."""
    proven = _ids_by_newest(connection, locked, _SPENT, RESOLVED_LATER)
    rotate_keys(connection, (order for order in locked if order.id in proven))


def has_spent_key(connection: Connection, order: Row[Any]) -> bool:
    """Whether the service may have stored a refusal under a locked order's key, as far as its attempts tell."""
    return bool(_ids_by_newest(connection, [order], _SPENT))


def rotate_keys(connection: Connection, locked: Iterable[Row[Any]]) -> None:
    """Give some locked orders their next derived keys."""
    rotated = [
        {
            "of": order.id,
            "number": order.key_rotations + 1,
            "key": derive_charge_key(order.id, order.key_rotations + 1),
        }
        for order in locked
    ]
    if rotated:
        change = update(orders).where(orders.c.id == bindparam("of"))
        connection.execute(
            change.values(key_rotations=bindparam("number"), charge_key=bindparam("key")), rotated
        )


def distrust_refusals(connection: Connection, locked: Sequence[Row[Any]]) -> None:
    """For each of some locked orders: make its newest refusal unknown, if it was trusted without a look-up.

    A look-up of it needs the refused key. If the key was rotated without a look-up, the order gets the refused key
    back, and rotates from there again: a restored database may have lost a charge under the next key.
    """
    found = _trusted_refusals(connection, locked)
    rotations = {order.id: order.key_rotations for order in locked}
    distrusted = [
        {"of": order_id, "key": key, "number": _rotation_of(order_id, key, rotations[order_id])}
        for order_id, key in found
    ]
    if not distrusted:
        return
    change = update(orders).where(orders.c.id == bindparam("of"))
    connection.execute(
        change.values(charge_key=bindparam("key"), key_rotations=bindparam("number")), distrusted
    )
    trusted = update(attempts).where(_SPENT, REFUSED, not_(RESOLVED_LATER))
    unknown = {"outcome": Outcome.UNKNOWN, "advice": Advice.STOP, "spends_key": True}
    # Each by itself: SQLAlchemy cannot execute a statement with an IN for many rows at once.
    for order_id, key in found:
        newest = trusted.where(attempts.c.order_id == order_id, attempts.c.gateway_key == key)
        connection.execute(newest.values(unknown))


def has_trusted_refusal(connection: Connection, order: Row[Any]) -> bool:
    """Whether `distrust_refusals` would change a locked order."""
    return bool(_trusted_refusals(connection, [order]))


def _trusted_refusals(connection: Connection, locked: Sequence[Row[Any]]) -> list[tuple[str, str]]:
    return _newest(connection, locked, _SPENT, REFUSED, not_(RESOLVED_LATER))


def _rotation_of(order_id: str, key: str, newest: int) -> int:
    """Which rotation a key is; the newest one if it is not derived, as a caller's own and those of earlier versions."""
    return next((number for number in range(newest) if derive_charge_key(order_id, number) == key), newest)


def vouch_for_refusals(connection: Connection, order_id: str) -> None:
    """Record that a person states: a locked order's refusals charged nothing. They need no look-up then."""
    connection.execute(
        update(attempts)
        .where(attempts.c.order_id == order_id, _SPENT, not_(RESOLVED_LATER))
        .values(settled_by=ResolvedBy.PERSON)
    )


def _ids_by_newest(
    connection: Connection, locked: Sequence[Row[Any]], *conditions: ColumnElement[bool]
) -> set[str]:
    """The ids of the orders that `_newest` finds by an attempt under the key in use."""
    under_key_in_use = attempts.c.gateway_key == orders.c.charge_key
    return {order_id for order_id, _ in _newest(connection, locked, under_key_in_use, *conditions)}


def _newest(
    connection: Connection, locked: Sequence[Row[Any]], *conditions: ColumnElement[bool]
) -> list[tuple[str, str]]:
    """The locked orders whose newest processed attempt meets the conditions, each with the key of that attempt.

    Orders with an unresolved attempt are left out.
    """
    ids = [order.id for order in locked]
    newest = (
        select(attempts.c.order_id, func.max(attempts.c.number).label("number"))
        .where(attempts.c.order_id.in_(ids), or_(attempts.c.outcome.is_(None), not_(UNPROCESSED)))
        .group_by(attempts.c.order_id)
        .subquery()
    )
    unresolved = select(attempts.c.order_id).where(attempts.c.order_id.in_(ids), UNRESOLVED)
    found = (
        select(orders.c.id, attempts.c.gateway_key)
        .join(newest, newest.c.order_id == orders.c.id)
        .join(attempts, and_(attempts.c.order_id == orders.c.id, attempts.c.number == newest.c.number))
        .where(*conditions, orders.c.id.not_in(unresolved))
    )
    return [(row.id, row.gateway_key) for row in connection.execute(found)]
