"""A staging table on disk that sorts a report's lines by order: a million lines do not fill the memory."""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import fields
from itertools import groupby
from operator import attrgetter
from typing import Any

from breakwall.payments.reconciliation.charge_status import Meaning
from breakwall.payments.reconciliation.matching import Match
from breakwall.payments.reconciliation.report import ReportLine

# A line's values in the order of the table's first columns; `ReportLine` takes them back in the same order.
_line_values = attrgetter(*(field.name for field in fields(ReportLine)))

_TABLE = """
CREATE TABLE lines (
    number INTEGER, key TEXT, charge_id TEXT, amount INTEGER, currency TEXT, status TEXT, line_order_id TEXT,
    charged INTEGER, refunded INTEGER, decides INTEGER, order_id TEXT, owner TEXT
)
"""
# Refunds of less than the charge leave the charge standing.
_DELETE_PARTIAL_REFUNDS = """
DELETE FROM lines WHERE refunded AND (
    SELECT CASE WHEN count(*) = count(amount) THEN sum(amount) END
    FROM lines AS refund WHERE refund.charge_id = lines.charge_id AND refund.refunded
) < (
    SELECT max(amount) FROM lines AS charge WHERE charge.charge_id = lines.charge_id AND charge.charged
)
"""
# A charge's last line decides whether it stands, under whatever key that line is.
_DELETE_REVERSED_CHARGES = """
DELETE FROM lines WHERE charged AND NOT (
    SELECT last.charged FROM lines AS last WHERE last.charge_id = lines.charge_id AND last.decides
    ORDER BY last.number DESC LIMIT 1
)
"""
# Equal lines count once, as the first of them.
_BY_ORDER = """
SELECT order_id, owner, min(number) AS first, key, charge_id, amount, currency, status, line_order_id FROM lines
WHERE order_id IS NOT NULL
GROUP BY order_id, charge_id, amount, currency, status, owner
ORDER BY order_id, first
"""
# A line without a charge and without a key is no discrepancy.
_WITHOUT_ORDER = """
SELECT owner, number, key, charge_id, amount, currency, status, line_order_id FROM lines
WHERE order_id IS NULL AND (charged OR (key IS NOT NULL AND decides AND NOT refunded)) ORDER BY number
"""
_SHARED = """
SELECT charge_id, min(order_id), max(order_id), min(number) FROM lines
WHERE charged AND order_id IS NOT NULL GROUP BY charge_id HAVING count(DISTINCT order_id) > 1
"""
# An order whose charge stands under another order's key is in the report too.
_REPORTED = """
SELECT order_id FROM lines WHERE order_id IN ({marks})
UNION SELECT owner FROM lines WHERE charged AND owner IN ({marks})
"""
_DECIDING = frozenset({Meaning.CHARGED, Meaning.NOT_CHARGED, Meaning.REFUNDED})


class StagingTable(AbstractContextManager["StagingTable"]):
    """A private table that SQLite keeps in an unnamed temporary file, which disappears with the process."""

    def __init__(self) -> None:
        self._database = sqlite3.connect("", isolation_level=None)
        for pragma in ("temp_store = FILE", "journal_mode = OFF", "synchronous = OFF"):
            self._database.execute(f"PRAGMA {pragma}")
        self._database.execute(_TABLE)

    def add(self, matches: Iterable[Match]) -> None:
        """Add lines, each with the order that it is about, if that is known."""
        self._database.execute("BEGIN")
        self._database.executemany(
            f"INSERT INTO lines VALUES ({', '.join('?' * 12)})",  # noqa: S608 - only marks
            map(_row, matches),
        )
        self._database.execute("COMMIT")

    def complete(self) -> None:
        """Index the lines, and delete the charges that were reversed. To be called once, after the last `add`."""
        self._database.execute("CREATE INDEX by_charge ON lines (charge_id, number, charged)")
        self._database.execute(_DELETE_PARTIAL_REFUNDS)
        self._database.execute(_DELETE_REVERSED_CHARGES)
        self._database.execute("CREATE INDEX by_order ON lines (order_id)")
        self._database.execute("CREATE INDEX by_owner ON lines (owner) WHERE owner IS NOT NULL")

    def by_order(self) -> Iterator[tuple[str, list[ReportLine], dict[int, str]]]:
        """Each order, its lines in the report's order, and by a line's number the other order that has its charge."""
        for order_id, group in groupby(self._database.execute(_BY_ORDER), key=lambda row: str(row[0])):
            rows = list(group)
            owners = {row[2]: row[1] for row in rows if row[1]}
            yield order_id, [ReportLine(*row[2:]) for row in rows], owners

    def without_order(self) -> Iterator[tuple[ReportLine, str | None]]:
        """The lines that should have an order here and have none, each with the order that has its charge, if any."""
        return ((ReportLine(*row[1:]), row[0]) for row in self._database.execute(_WITHOUT_ORDER))

    def shared_charges(self) -> Iterator[tuple[str, tuple[str, str], int]]:
        """The charges that several orders have: the charge, two of the orders, and the first line's number."""
        return ((row[0], (row[1], row[2]), row[3]) for row in self._database.execute(_SHARED))

    def missing(self, order_ids: Sequence[str]) -> set[str]:
        """Those of the orders that are not in the report."""
        query = _REPORTED.format(marks=", ".join("?" * len(order_ids)))
        reported: Iterator[Any] = self._database.execute(query, [*order_ids, *order_ids])
        return set(order_ids) - {row[0] for row in reported}

    def __exit__(self, *exc_info: object) -> None:
        self._database.close()


def _row(match: Match) -> tuple[Any, ...]:
    meaning = match.line.meaning
    flags = (meaning is Meaning.CHARGED, meaning is Meaning.REFUNDED, meaning in _DECIDING)
    return (*_line_values(match.line), *flags, match.order_id, match.owner)
