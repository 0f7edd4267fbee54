"""What is kept of a pruned order: enough to recognize its key, and how the order finished."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, Row, Select, bindparam, delete, exists, select

from breakwall.payments.db.insert_missing import insert_missing
from breakwall.payments.db.revisions import Columns, existing_columns, missing_columns
from breakwall.payments.db.schema import known_keys, orders
from breakwall.payments.db.statements import built_once
from breakwall.payments.ledger.claim import Claim
from breakwall.payments.orders import (
    DETAILS,
    IdempotencyConflictError,
    Order,
    OrderStatus,
    differing_fields,
    optional_fields,
)


@dataclass(frozen=True, slots=True)
class PrunedOrder:
    """An order that finished and was pruned. Times are aware, in UTC."""

    id: str
    idempotency_key: str
    user_digest: str  # The user's id itself is not kept, see `digest_user`.
    amount: int
    currency: str
    status: OrderStatus  # Paid, declined or cancelled.
    charge_id: str | None
    settled_at: datetime  # When it finished.
    pruned_at: datetime
    details_digest: str | None = None  # See `digest_details`. None: they are not known.
    gateway: str | None = None
    charge_before: datetime | None = None
    reason: str | None = None

    def check_same_as(self, order: Order) -> None:
        """Raise `IdempotencyConflictError` unless ``order`` is this one, placed again."""
        same_user = self.user_digest == digest_user(self.id, order.user_id)
        differing = ([] if same_user else ["user_id"]) + differing_fields(self, order)
        if self.details_digest not in {None, digest_details(self.id, order)}:
            differing.append("payment_method, description or metadata")
        if differing:
            raise IdempotencyConflictError(self.idempotency_key, differing)

    def as_document(self) -> dict[str, Any]:
        """Its JSON document, without the digests."""
        kept = {name: value for name, value in asdict(self).items() if not name.endswith("_digest")}
        times = {name: value.isoformat() for name, value in kept.items() if isinstance(value, datetime)}
        return {**kept, "status": self.status.value, **times}


def digest_user(order_id: str, user_id: str) -> str:
    """The digest of a user's id that is kept. It depends on the order, so it does not link the orders of one user."""
    return _digest(f"{order_id}:{user_id}")


def digest_details(order_id: str, order: Any) -> str:
    """The digest of what an order, or its row, carries for the payment service: secret, so it is not kept itself."""
    details = {name: value for name, value in optional_fields(order).items() if name in DETAILS}
    return _digest(f"{order_id}:{json.dumps(details, sort_keys=True)}")


def _digest(salted: str) -> str:
    return hashlib.sha256(salted.encode("utf-8", "surrogatepass")).digest()[:16].hex()


def kept_row(order: Row[Any]) -> dict[str, Any]:
    """The row of `known_keys` for an order's row, without ``pruned_at``: it has each column that both tables have."""
    shared = {
        column.name: getattr(order, column.name, None) for column in known_keys.c if column.name in orders.c
    }
    digests = {"user_digest": digest_user(order.id, order.user_id)}
    if order.gateway is not None:  # Else it is from before orders had details.
        digests["details_digest"] = digest_details(order.id, order)
    return {"details_digest": None, **shared, "order_id": order.id, **digests}


def pruned_by_key(connection: Connection, keys: Iterable[str]) -> dict[str, PrunedOrder]:
    """The pruned orders that had one of these idempotency keys, by key."""
    return {found.idempotency_key: found for found in _found(connection, known_keys.c.idempotency_key, keys)}


def pruned_keys(connection: Connection, keys: Sequence[str]) -> Sequence[str]:
    """Those of these idempotency keys that belong to pruned orders."""
    if not keys:
        return []
    # A list of parameters is written into the statement at each execution, which doubles its cost.
    if len(keys) == 1:
        return connection.scalars(_IS_PRUNED, {"wanted": keys[0]}).all()
    return connection.scalars(_ARE_PRUNED, {"wanted": keys}).all()


_KEYS = select(known_keys.c.idempotency_key)
_IS_PRUNED = _KEYS.where(known_keys.c.idempotency_key == bindparam("wanted"))
_ARE_PRUNED = _KEYS.where(known_keys.c.idempotency_key.in_(bindparam("wanted", expanding=True)))


def pruned_by_id(connection: Connection, order_ids: Iterable[str]) -> dict[str, PrunedOrder]:
    """The pruned orders that had one of these ids, by id."""
    return {found.id: found for found in _found(connection, known_keys.c.order_id, order_ids)}


def pruned_order(connection: Connection, order_id: str) -> PrunedOrder:
    """The pruned order that had this id. Raises `LookupError` if there is none, or if its key is forgotten."""
    found = pruned_by_id(connection, [order_id])
    if order_id not in found:
        raise LookupError(f"order {order_id} is not kept any more, nor is its key")
    return found[order_id]


def was_not_pruned(key: str) -> ColumnElement[bool]:
    """The condition that no pruned order had the idempotency key in this parameter.

    Ids do not decide: before revision 0004 they were random.
    """
    return ~exists().where(known_keys.c.idempotency_key == bindparam(key))


def bring_back(connection: Connection, claim: Claim) -> None:
    """Restore the order of a claim if it was pruned: a person must check a late answer to one of its attempts.

    An order that is still there stays as it is. It is locked, so that it is not pruned before the transaction ends.
    """
    if connection.scalar(select(orders.c.id).where(orders.c.id == claim.order_id).with_for_update()):
        return
    pruned = pruned_by_id(connection, [claim.order_id]).get(claim.order_id)
    if pruned is None:
        return
    # The late answer must be recorded, so a field is left out if a downgrade has dropped its column.
    missing = missing_columns(connection, orders)
    row = {name: value for name, value in _row(pruned, claim).items() if name not in missing}
    connection.execute(insert_missing(connection.dialect.name, orders).values(row))
    connection.execute(delete(known_keys).where(known_keys.c.order_id == claim.order_id))


def _row(pruned: PrunedOrder, claim: Claim) -> dict[str, Any]:
    return {
        **optional_fields(pruned),
        **optional_fields(claim.request),
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


def _found(connection: Connection, column: Column[str], values: Iterable[str]) -> Sequence[PrunedOrder]:
    wanted = list(values)
    if not wanted:
        return []
    query = _select(existing_columns(connection, known_keys), column)
    return [_pruned(row) for row in connection.execute(query, {"wanted": wanted})]


@built_once
def _select(columns: Columns, column: Column[str]) -> Select[Any]:
    return select(*columns).where(column.in_(bindparam("wanted", expanding=True)))


def _pruned(row: Row[Any]) -> PrunedOrder:
    values = dict(row._mapping)
    return PrunedOrder(id=values.pop("order_id"), **{**values, "status": OrderStatus(row.status)})
