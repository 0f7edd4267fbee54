"""Which order owns a charge. A trusted charge belongs to one order; it pays no other."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, bindparam, exists, select
from sqlalchemy.sql.dml import ReturningInsert

from breakwall.payments.db.clock import Clock
from breakwall.payments.db.database import Database
from breakwall.payments.db.insert_missing import insert_missing
from breakwall.payments.db.query_hints import once
from breakwall.payments.db.schema import charges, orders
from breakwall.payments.db.statements import built_once
from breakwall.payments.keys import key_shape

DEFAULT_ACCOUNT = "default"

KNOWN = 3  # Known charges with which a look-up is tested, at most: the newest may have been refunded.


@dataclass(frozen=True, slots=True)
class KnownCharge:
    """A charge that the payment service itself has reported, and the key that it was made under."""

    key: str
    charge_id: str


def assign_charge(
    connection: Connection, clock: Clock, account: str, charge_id: str, order_id: str, key: str | None
) -> str | None:
    """Record that an order owns a charge. Returns the id of the owner if that is another order.

    If two transactions assign one charge, the second waits for the first. Call it before the order's row is locked, so
    that no two transactions wait for each other. ``key``: the key that the charge was made under; None if that is not
    certain, as when a person reports the charge. Ids of charges are unique within an account.
    """
    row = charge_parameters(account, charge_id, order_id, key)
    # PostgreSQL's driver gives no row count for such an INSERT, so it returns the row.
    if connection.scalar(insert_unless_owned(clock, connection.dialect.name), row) is not None:
        return None
    owner = connection.scalars(_OWNER, row).one_or_none() or connection.scalars(_PAID_FIRST, row).first()
    return None if owner == order_id else owner


def known_charges(
    database: Database, clock: Clock, account: str, shape: str, *, older_than: float
) -> list[KnownCharge]:
    """The newest charges of a shape of key, newest first, `KNOWN` at most, at least ``older_than`` seconds old."""
    wanted = (
        select(charges.c.key, charges.c.charge_id)
        .where(charges.c.account == account, charges.c.key_shape == shape)
        .where(charges.c.at <= once(clock.after(-older_than)))
        .order_by(charges.c.at.desc())
        .limit(KNOWN)
    )
    found = database.read(lambda connection: connection.execute(wanted).all())
    return [KnownCharge(row.key, row.charge_id) for row in found]


# The columns of a new row, as parameters.
_GIVEN = {
    name: bindparam(f"new_{name}", type_=charges.c[name].type)
    for name in ("account", "charge_id", "order_id", "key", "key_shape")
}


def charge_parameters(account: str, charge_id: str, order_id: str, key: str | None) -> dict[str, Any]:
    """The parameters of `insert_unless_owned`."""
    row = (account, charge_id, order_id, key, None if key is None else key_shape(key))
    return {given.key: value for given, value in zip(_GIVEN.values(), row, strict=True)}


_OWNER = select(charges.c.order_id).where(
    charges.c.account == _GIVEN["account"], charges.c.charge_id == _GIVEN["charge_id"]
)


def paid_before(
    account: ColumnElement[str], charge_id: ColumnElement[str], order_id: ColumnElement[str]
) -> Select[Any]:
    """The other orders that a charge has paid: earlier versions paid orders without a row in `charges`."""
    return (
        select(orders.c.id)
        .where(account == DEFAULT_ACCOUNT)
        .where(orders.c.charge_id == charge_id, orders.c.id != order_id)
        # Any account: an order with a row in `charges` was paid on the account that the row names.
        .where(~exists().where(charges.c.charge_id == orders.c.charge_id, charges.c.order_id == orders.c.id))
    )


_PAID_BEFORE = paid_before(_GIVEN["account"], _GIVEN["charge_id"], _GIVEN["order_id"])
_PAID_FIRST = _PAID_BEFORE.order_by(orders.c.settled_at, orders.c.id)


@built_once
def insert_unless_owned(clock: Clock, dialect: str) -> ReturningInsert[Any]:
    """Inserts the row and returns its order's id; does nothing where an order owns the charge."""
    values = [given.label(name) for name, given in _GIVEN.items()]
    new = select(*values, clock.after(0).label("at")).where(~_PAID_BEFORE.exists())
    unless_there = insert_missing(dialect, charges).from_select([*_GIVEN, "at"], new)
    returning: ReturningInsert[Any] = unless_there.returning(charges.c.order_id)
    return returning
