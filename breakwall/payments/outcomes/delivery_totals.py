"""How often the shop was told an outcome or was not, added up for ever."""

from collections import Counter
from collections.abc import Mapping
from enum import StrEnum

from sqlalchemy import Connection, select, update

from breakwall.payments.db.insert_missing import insert_missing
from breakwall.payments.db.operator_tables import delivery_totals
from breakwall.payments.db.revisions import has_table


class DeliveryResult(StrEnum):
    """What came of one try: a column of `delivery_totals`."""

    DELIVERED = "delivered"
    FAILED = "failed"  # It is tried again.
    GIVEN_UP = "given_up"


DeliveryTotals = Mapping[tuple[str, DeliveryResult], int]
"""Numbers of tries by destination and result."""


def add_deliveries(connection: Connection, tries: DeliveryTotals) -> None:
    """Add some tries within a running transaction; nothing before revision 0008.

    It comes last in the transaction, because every process that delivers to the destination waits for the row.
    """
    if not tries or not has_table(connection, delivery_totals.name):
        return
    for name in sorted({destination for destination, _ in tries}):
        row = insert_missing(connection.dialect.name, delivery_totals).values(destination=name)
        connection.execute(row)
        added = {
            each.value: delivery_totals.c[each.value] + tries.get((name, each), 0) for each in DeliveryResult
        }
        mine = delivery_totals.c.destination == name
        connection.execute(update(delivery_totals).where(mine).values(added))


def read_deliveries(connection: Connection) -> DeliveryTotals | None:
    """All tries so far; None before revision 0008."""
    if not has_table(connection, delivery_totals.name):
        return None
    rows = connection.execute(select(delivery_totals)).mappings()
    return Counter({(row["destination"], each): row[each.value] for row in rows for each in DeliveryResult})
