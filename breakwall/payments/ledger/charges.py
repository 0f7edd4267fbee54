"""Whose a charge is. A charge that was believed once is one order's, and no other order is paid by it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, exists, literal, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.dml import ReturningInsert

from breakwall.payments.db.clock import Clock
from breakwall.payments.db.database import Database
from breakwall.payments.db.query_hints import once
from breakwall.payments.db.schema import charges, orders
from breakwall.payments.keys import key_shape

DEFAULT_ACCOUNT = "default"

KNOWN = 3
"""Known charges of a shape that a look-up is tried out with at most: the newest may have been refunded."""


@dataclass(frozen=True, slots=True)
class KnownCharge:
    """A charge that the payment service has told of itself, and the key that it knows it by."""

    key: str
    charge_id: str


def take_charge(
    connection: Connection, clock: Clock, account: str, charge_id: str, order_id: str, key: str | None
) -> str | None:
    """Write down that a charge is an order's. Returns the id of the order whose it is already, if it is another's.

    Of two transactions that take one charge, the second waits for the first. Called before the order's row is
    locked, so that no two transactions wait for each other.

    Args:
        account: the payment account; ids of charges are unique within it.
        key: the key that the service knows it by; None where that is not sure: only a person has told of it, say.
    """
    row = {
        "account": account,
        "charge_id": charge_id,
        "order_id": order_id,
        "key": key,
        "key_shape": None if key is None else key_shape(key),
    }
    # Not by the number of rows: of an INSERT it is not told on PostgreSQL.
    if connection.scalar(_taking(connection, clock, row)) is not None:
        return None
    owner = connection.scalars(_OWNER, row).one_or_none() or connection.scalars(_PAID_BEFORE, row).first()
    return None if owner == order_id else owner


def known_charges(
    database: Database, clock: Clock, account: str, shape: str, *, settled_for: float
) -> list[KnownCharge]:
    """The newest charges of a shape of key that were made at least ``settled_for`` seconds ago, `KNOWN` at most."""
    wanted = (
        select(charges.c.key, charges.c.charge_id)
        .where(charges.c.account == account, charges.c.key_shape == shape)
        .where(charges.c.at <= once(clock.after(-settled_for)))
        .order_by(charges.c.at.desc())
        .limit(KNOWN)
    )
    found = database.read(lambda connection: connection.execute(wanted).all())
    return [KnownCharge(row.key, row.charge_id) for row in found]


_OWNER = select(charges.c.order_id).where(
    charges.c.account == bindparam("account"), charges.c.charge_id == bindparam("charge_id")
)

# A process of the version before pays orders without a row of `charges`, and so did all of them until then.
_PAID_BEFORE = (
    select(orders.c.id)
    .where(bindparam("account") == DEFAULT_ACCOUNT)
    .where(orders.c.charge_id == bindparam("charge_id"), orders.c.id != bindparam("order_id"))
    # In any account: the row tells which one the order was paid on.
    .where(~exists().where(charges.c.charge_id == orders.c.charge_id, charges.c.order_id == orders.c.id))
    .order_by(orders.c.settled_at, orders.c.id)
)


def _taking(connection: Connection, clock: Clock, row: dict[str, str | None]) -> ReturningInsert[Any]:
    """Inserts the row and returns it; nothing where the charge is somebody's."""
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    values = [literal(value, charges.c[name].type).label(name) for name, value in row.items()]
    before = _PAID_BEFORE.order_by(None).params(row)
    new = select(*values, clock.after(0).label("at")).where(~before.exists())
    taking = dialect.insert(charges).from_select([*row, "at"], new)
    returning: ReturningInsert[Any] = taking.on_conflict_do_nothing().returning(charges.c.order_id)
    return returning
