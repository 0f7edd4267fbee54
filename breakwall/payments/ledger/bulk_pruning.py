"""Prunes the lists of orders of bulk retries that ended long ago. The bulk retry itself stays, with its numbers."""

from sqlalchemy import Connection, delete, func, select

from breakwall.payments.db.clock import Clock
from breakwall.payments.db.database import Database
from breakwall.payments.db.operator_tables import bulk_retries, bulk_retry_orders
from breakwall.payments.db.query_hints import once
from breakwall.payments.db.revisions import has_table

BATCH = 1000  # Rows in one transaction: small ones, without indexes to change.


def prune_bulk_list(database: Database, clock: Clock, age: float) -> int:
    """Delete up to `BATCH` rows of one bulk retry that ended longer ago than ``age`` seconds; returns how many.

    None before revision 0008, which brings the tables. Several processes may do it at once.
    """
    bulk_id = database.read(lambda connection: _first_with_rows(connection, clock, age))
    if bulk_id is None:
        return 0
    return database.write(lambda connection: _delete_first(connection, bulk_id), name="prune_bulk_list")


def _first_with_rows(connection: Connection, clock: Clock, age: float) -> str | None:
    if not has_table(connection, bulk_retry_orders.name):
        return None
    its = bulk_retry_orders.c.bulk_id == bulk_retries.c.id
    # Sorted, so that a planner looks into the index for each bulk retry, and never reads the whole table.
    first = select(bulk_retry_orders.c.place).where(its).order_by(bulk_retry_orders.c.place).limit(1)
    has_ended = bulk_retries.c.ended_at <= once(clock.after(-age))
    found = select(bulk_retries.c.id).where(has_ended, first.scalar_subquery().is_not(None))
    return connection.scalar(found.order_by(bulk_retries.c.created_at).limit(1))


def _delete_first(connection: Connection, bulk_id: str) -> int:
    place, its = bulk_retry_orders.c.place, bulk_retry_orders.c.bulk_id == bulk_id
    first = select(place).where(its).order_by(place).limit(BATCH).subquery()
    last = select(func.max(first.c.place)).scalar_subquery()
    return connection.execute(delete(bulk_retry_orders).where(its, place <= last)).rowcount
