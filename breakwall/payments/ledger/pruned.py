"""What is kept of an order that was pruned: enough to tell its key from a new one, and how it ended."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, delete, exists, select, true
from sqlalchemy.dialects import postgresql, sqlite

from breakwall.payments.db.optional_tables import is_there
from breakwall.payments.db.schema import known_keys, orders
from breakwall.payments.ledger.claims import Claim
from breakwall.payments.orders import IdempotencyConflictError, Order, OrderStatus


@dataclass(frozen=True, slots=True)
class PrunedOrder:
    """An order that was accepted, has ended, and is not kept any more. Times are aware, in UTC.

    Attributes:
        user_digest: of the user's id, see `digest_user`: the id itself is not kept.
        status: how it ended: paid, declined or cancelled.
        settled_at: when it ended.
        pruned_at: since when it is not kept.
    """

    id: str
    idempotency_key: str
    user_digest: str
    amount: int
    currency: str
    status: OrderStatus
    charge_id: str | None
    settled_at: datetime
    pruned_at: datetime

    def check_same_as(self, order: Order) -> None:
        """Raise `IdempotencyConflictError` unless ``order`` is this one, handed in again."""
        told = {
            "user_id": self.user_digest == digest_user(self.id, order.user_id),
            "amount": self.amount == order.amount,
            "currency": self.currency == order.currency,
        }
        differing = [name for name, same in told.items() if not same]
        if differing:
            raise IdempotencyConflictError(self.idempotency_key, differing)

    def as_document(self) -> dict[str, Any]:
        """What programs are shown of it."""
        kept = {name: value for name, value in asdict(self).items() if name != "user_digest"}
        times = {"settled_at": self.settled_at.isoformat(), "pruned_at": self.pruned_at.isoformat()}
        return {**kept, "status": self.status.value, **times}


def digest_user(order_id: str, user_id: str) -> str:
    """What is kept of a user's id: it tells that an order is the same, and not who has ordered what else."""
    said = f"{order_id}:{user_id}".encode("utf-8", "surrogatepass")
    return hashlib.sha256(said).digest()[:16].hex()


def pruned_by_key(connection: Connection, keys: Iterable[str]) -> dict[str, PrunedOrder]:
    """The pruned orders that had one of these idempotency keys, by key."""
    return {found.idempotency_key: found for found in _found(connection, known_keys.c.idempotency_key, keys)}


def pruned_by_id(connection: Connection, order_ids: Iterable[str]) -> dict[str, PrunedOrder]:
    """The pruned orders that had one of these ids, by id."""
    return {found.id: found for found in _found(connection, known_keys.c.order_id, order_ids)}


def pruned_order(connection: Connection, order_id: str) -> PrunedOrder:
    """The pruned order that had this id.

    Raises:
        LookupError: there is none; its key, too, is forgotten.
    """
    found = pruned_by_id(connection, [order_id])
    if order_id not in found:
        raise LookupError(f"order {order_id} is not kept any more, nor is its key")
    return found[order_id]


def was_not_pruned(connection: Connection, idempotency_key: str) -> ColumnElement[bool]:
    """The condition that no pruned order had this key. Not by the id: before revision 0004 ids were drawn by chance."""
    if not is_there(connection, known_keys.name):
        return true()
    return ~exists().where(known_keys.c.idempotency_key == idempotency_key)


def bring_back(connection: Connection, claim: Claim) -> None:
    """Have a pruned order again, for an answer to one of its attempts that comes as late as that.

    What it tells may need a person, who finds it at the order. An order that is there is left as it is, and locked:
    nobody prunes it until the transaction ends.
    """
    if connection.scalar(select(orders.c.id).where(orders.c.id == claim.order_id).with_for_update()):
        return
    pruned = pruned_by_id(connection, [claim.order_id]).get(claim.order_id)
    if pruned is None:
        return
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    connection.execute(dialect.insert(orders).values(_row(pruned, claim)).on_conflict_do_nothing())
    connection.execute(delete(known_keys).where(known_keys.c.order_id == claim.order_id))


def _row(pruned: PrunedOrder, claim: Claim) -> dict[str, Any]:
    return {
        "id": pruned.id,
        "idempotency_key": pruned.idempotency_key,
        "user_id": claim.request.user_id,
        "amount": pruned.amount,
        "currency": pruned.currency,
        "status": pruned.status,
        "charge_key": claim.request.idempotency_key,
        "fence": claim.fence,
        "cancel_requested": pruned.status is OrderStatus.CANCELLED,
        "charge_id": pruned.charge_id,
        "created_at": pruned.settled_at,
        "settled_at": pruned.settled_at,
    }


def _found(
    connection: Connection, column: ColumnElement[str], values: Iterable[str]
) -> Sequence[PrunedOrder]:
    wanted = list(values)
    if not wanted or not is_there(connection, known_keys.name):
        return []
    return [_pruned(row) for row in connection.execute(select(known_keys).where(column.in_(wanted)))]


def _pruned(row: Row[Any]) -> PrunedOrder:
    values = dict(row._mapping)
    return PrunedOrder(id=values.pop("order_id"), **{**values, "status": OrderStatus(row.status)})
