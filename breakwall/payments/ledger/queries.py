"""Reads orders, for callers, the command line and the monitor."""

from collections.abc import Callable, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, exists, or_, select

from breakwall.errors import BreakwallError, ExitCode
from breakwall.payments.db.database import Database
from breakwall.payments.db.revisions import missing_columns
from breakwall.payments.db.schema import attempts, orders
from breakwall.payments.gateways.base import Outcome
from breakwall.payments.keys import order_id_within
from breakwall.payments.ledger.pruned_orders import PrunedOrder, pruned_by_id, pruned_by_key
from breakwall.payments.orders import OrderStatus, StoredAttempt, StoredOrder, metadata_in
from breakwall.pickling import Picklable
from breakwall.texts import is_allowed, quoted

_ORDER_COLUMNS = [orders.c[name] for name in StoredOrder.__dataclass_fields__]
_ATTEMPT_COLUMNS = [attempts.c[name] for name in StoredAttempt.__dataclass_fields__]


class Naming(StrEnum):
    """The kind of a text that names an order: its id, the caller's key, a key that was sent, or any of them."""

    ANY = "any"
    ID = "id"
    KEY = "key"
    SENT = "sent"


def was_sent_under(key: str) -> ColumnElement[bool]:
    """The condition that an order was or will be sent under a key that was derived for it."""
    sent = exists().where(attempts.c.order_id == orders.c.id, attempts.c.gateway_key == key)
    return and_(orders.c.id == (order_id_within(key) or ""), or_(orders.c.charge_key == key, sent))


# For each way to name an order, the condition that a name fits. Each condition has an index.
_FINDERS: dict[Naming, Callable[[str], ColumnElement[bool]]] = {
    Naming.ID: lambda name: orders.c.id == name,
    Naming.KEY: lambda name: orders.c.idempotency_key == name,
    Naming.SENT: was_sent_under,
}

_WAYS = {
    Naming.ANY: "the id or the key",
    Naming.ID: "the id",
    Naming.KEY: "the idempotency key",
    Naming.SENT: "a key that was sent",
}


class OrderNotFoundError(BreakwallError, LookupError):
    """No order has this id or idempotency key."""

    kind = "not_found"
    exit_code = ExitCode.NOT_FOUND


class OrderPrunedError(Picklable, OrderNotFoundError):
    """The order was pruned; nothing was changed. ``pruned``: what is kept of it."""

    kind = "pruned"

    def __init__(self, pruned: PrunedOrder) -> None:
        charge = f" by {pruned.charge_id}" if pruned.charge_id else ""
        super().__init__(
            f"order {pruned.id} (key {quoted(pruned.idempotency_key)}) finished as {pruned.status}{charge} on "
            f"{pruned.settled_at:%Y-%m-%d} and was pruned on {pruned.pruned_at:%Y-%m-%d}; placed again, it is "
            "answered with that and nothing is charged"
        )
        self.pruned = pruned

    def details(self) -> dict[str, Any]:
        """``order``: what is kept of it."""
        return {"order": self.pruned.as_document()}


class AmbiguousNameError(Picklable, BreakwallError, LookupError):
    """The name fits two orders: for example it is one's id and the other's key. Nothing was changed.

    ``found``: the ids of the orders that it fits, by the kind of name that it is for each.
    """

    kind = "ambiguous"
    exit_code = ExitCode.REFUSED

    def __init__(self, name: str, found: dict[Naming, str]) -> None:
        fits = " and ".join(f"{_WAYS[way]} of order {order_id}" for way, order_id in found.items())
        decides = " or ".join(f"--{way}" for way in found if way is not Naming.SENT)
        super().__init__(f"{quoted(name)} is {fits}. Say which one is meant: {decides} decides")
        self.name = name
        self.found = found


def get_order(database: Database, name: str, by: Naming = Naming.ANY) -> StoredOrder:
    """Find an order by its id, by its idempotency key, or by either.

    Raises `OrderPrunedError`, `OrderNotFoundError`, or `AmbiguousNameError` if ``by`` does not decide between two.
    """
    # A text that is not allowed names no order, and a driver may fail to encode it.
    found = database.read(lambda connection: _find(connection, name, by)) if is_allowed(name) else {}
    distinct = {order.id: order for order in found.values()}
    if not distinct:
        raise OrderNotFoundError(f"no order in {database.where} has {_WAYS[by]} {quoted(name)}")
    if len(distinct) > 1:
        raise AmbiguousNameError(name, {way: order.id for way, order in found.items()})
    order = distinct.popitem()[1]
    if isinstance(order, PrunedOrder):
        raise OrderPrunedError(order)
    return order


def list_orders(
    database: Database,
    *,
    status: OrderStatus | None = None,
    limit: int = 50,
    after: tuple[datetime, str] | None = None,
) -> list[StoredOrder]:
    """The newest orders, newest first, optionally those in one state.

    ``after``: only those that follow the order which was created at this moment and has this id. So a list is read in
    pages, each as fast as the first.
    """
    # The index leads with the state. One query for each state is faster than sorting all orders.
    states = OrderStatus if status is None else [status]

    def work(connection: Connection) -> list[StoredOrder]:
        newest = _select_orders(connection).order_by(orders.c.created_at.desc(), orders.c.id).limit(limit)
        if after is not None:
            newest = newest.where(_follows(*after))
        by_state = [connection.execute(newest.where(orders.c.status == state)) for state in states]
        found = sorted((_order(row) for rows in by_state for row in rows), key=lambda order: order.id)
        return sorted(found, key=lambda order: order.created_at, reverse=True)[:limit]

    return database.read(work)


def _follows(created_at: datetime, order_id: str) -> ColumnElement[bool]:
    # The first condition alone is a range of the index.
    later = or_(orders.c.created_at < created_at, orders.c.id > order_id)
    return and_(orders.c.created_at <= created_at, later)


def list_attempts(database: Database, order_id: str) -> list[StoredAttempt]:
    """An order's attempts, first to last."""

    def work(connection: Connection) -> list[StoredAttempt]:
        wanted = select(*_ATTEMPT_COLUMNS).where(attempts.c.order_id == order_id).order_by(attempts.c.number)
        return [_attempt(row) for row in connection.execute(wanted)]

    return database.read(work)


def orders_by_key(connection: Connection, keys: Sequence[str]) -> dict[str, StoredOrder]:
    """The orders that have one of these idempotency keys, by key, within a running transaction."""
    wanted = _select_orders(connection).where(orders.c.idempotency_key.in_(keys))
    return {row.idempotency_key: _order(row) for row in connection.execute(wanted)}


def stored_order(connection: Connection, which: ColumnElement[bool]) -> StoredOrder:
    """The one order that ``which`` selects, within a running transaction."""
    return _order(connection.execute(_select_orders(connection).where(which)).one())


def _find(connection: Connection, name: str, by: Naming) -> dict[Naming, StoredOrder | PrunedOrder]:
    """The order, stored or pruned, that each kind of name finds, for those that find one."""
    wanted = _select_orders(connection)
    ways = list(_FINDERS) if by is Naming.ANY else [by]
    rows = {way: connection.execute(wanted.where(_FINDERS[way](name))).one_or_none() for way in ways}
    stored = {way: _order(row) for way, row in rows.items() if row is not None}
    pruned = {way: _find_pruned(connection, name, way) for way in ways if way not in stored}
    return {**{way: order for way, order in pruned.items() if order is not None}, **stored}


def _find_pruned(connection: Connection, name: str, way: Naming) -> PrunedOrder | None:
    if way is Naming.KEY:
        return pruned_by_key(connection, [name]).get(name)
    # The keys that were sent are not kept, so the id within the key is used.
    order_id = order_id_within(name) if way is Naming.SENT else name
    return pruned_by_id(connection, [order_id]).get(order_id) if order_id else None


def _select_orders(connection: Connection) -> Select[Any]:
    missing = missing_columns(connection, orders)
    return select(*(column for column in _ORDER_COLUMNS if column.name not in missing))


def _order(row: Row[Any]) -> StoredOrder:
    values = dict(row._mapping)
    if values.get("metadata") is not None:
        values["metadata"] = metadata_in(values["metadata"])
    return StoredOrder(**{**values, "status": OrderStatus(row.status)})


def _attempt(row: Row[Any]) -> StoredAttempt:
    values = dict(row._mapping)
    return StoredAttempt(**{**values, "outcome": row.outcome and Outcome.stored(row.outcome)})
