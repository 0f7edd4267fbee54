"""The trace in which an order was accepted, so that later attempts and its webhook belong to it.

Only a process that traces writes one, and only if the trace is recorded.
"""

from collections.abc import Mapping

from sqlalchemy import Connection, select

from breakwall.payments.db.clock import Clock
from breakwall.payments.db.database import Database, DatabaseUnavailableError
from breakwall.payments.db.insert_missing import insert_missing
from breakwall.payments.db.operator_tables import order_traces
from breakwall.payments.db.revisions import has_table


def keep_traces(connection: Connection, clock: Clock, parents: Mapping[str, str]) -> None:
    """Within the transaction that accepts some orders: keep their ``traceparent``, by the orders' ids."""
    if parents and has_table(connection, order_traces.name):
        rows = [{"order_id": order_id, "parent": parent} for order_id, parent in sorted(parents.items())]
        connection.execute(
            insert_missing(connection.dialect.name, order_traces).values(at=clock.after(0)), rows
        )


def find_trace(database: Database, order_id: str) -> str | None:
    """The ``traceparent`` of an order; None without one, and before revision 0008."""

    def work(connection: Connection) -> str | None:
        if not has_table(connection, order_traces.name):
            return None
        parent: str | None = connection.scalar(
            select(order_traces.c.parent).where(order_traces.c.order_id == order_id)
        )
        return parent

    return database.read(work)


def trace_of(database: Database, order_id: str) -> str | None:
    """The same, and None as well while the database does not answer: tracing must stop nothing."""
    try:
        return find_trace(database, order_id)
    except DatabaseUnavailableError:
        return None
