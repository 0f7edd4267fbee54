"""A report's lines, sorted by order, on disk: a million of them do not fill the memory."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from itertools import groupby
from typing import Any

from breakwall.payments.reports import ReportLine

_TABLE = """
CREATE TABLE lines (
    number INTEGER PRIMARY KEY, key TEXT, charge_id TEXT, amount INTEGER, currency TEXT, status TEXT,
    charged INTEGER, order_id TEXT
)
"""
# A charge that was given back, or has failed after all, stands as its last line says, under whatever key.
_OVERTAKEN = """
DELETE FROM lines WHERE charged AND NOT (
    SELECT last.charged FROM lines AS last WHERE last.charge_id = lines.charge_id
    ORDER BY last.number DESC LIMIT 1
)
"""
# Of lines that say the same the first one stays.
_BY_ORDER = """
SELECT order_id, min(number) AS first, key, charge_id, amount, currency, status FROM lines
WHERE order_id IS NOT NULL
GROUP BY order_id, charge_id, amount, currency, status
ORDER BY order_id, first
"""
_WITHOUT_ORDER = """
SELECT number, key, charge_id, amount, currency, status FROM lines WHERE order_id IS NULL ORDER BY number
"""
_SHARED = """
SELECT charge_id, min(order_id), max(order_id), min(number) FROM lines
WHERE charged AND order_id IS NOT NULL GROUP BY charge_id HAVING count(DISTINCT order_id) > 1
"""


class Spool(AbstractContextManager["Spool"]):
    """A private table that SQLite keeps in an unnamed temporary file, which ends with the process."""

    def __init__(self) -> None:
        self._database = sqlite3.connect("", isolation_level=None)
        for pragma in ("temp_store = FILE", "journal_mode = OFF", "synchronous = OFF"):
            self._database.execute(f"PRAGMA {pragma}")
        self._database.execute(_TABLE)

    def add(self, lines: Iterable[tuple[ReportLine, str | None]]) -> None:
        """Keep lines, each with the id of the order that it is about, if that is known."""
        rows = (
            (
                line.number,
                line.key,
                line.charge_id,
                line.amount,
                line.currency,
                line.status,
                line.charged,
                order_id,
            )
            for line, order_id in lines
        )
        self._database.execute("BEGIN")
        self._database.executemany("INSERT INTO lines VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)
        self._database.execute("COMMIT")

    def complete(self) -> None:
        """To be called once, after the last line was added: of each charge, its last line's state stands."""
        self._database.execute("CREATE INDEX by_charge ON lines (charge_id, number, charged)")
        self._database.execute(_OVERTAKEN)
        self._database.execute("CREATE INDEX by_order ON lines (order_id)")

    def by_order(self) -> Iterator[tuple[str, list[ReportLine]]]:
        """Each order's lines, in the order of the report."""
        for order_id, rows in groupby(self._database.execute(_BY_ORDER), key=lambda row: str(row[0])):
            yield order_id, [ReportLine(*row[1:]) for row in rows]

    def without_order(self) -> Iterator[ReportLine]:
        """The lines whose order is not known."""
        return (ReportLine(*row) for row in self._database.execute(_WITHOUT_ORDER))

    def shared_charges(self) -> Iterator[tuple[str, tuple[str, str], int]]:
        """Charges that are there for several orders: the charge, two of them, and the first line."""
        return ((row[0], (row[1], row[2]), row[3]) for row in self._database.execute(_SHARED))

    def missing(self, order_ids: Sequence[str]) -> set[str]:
        """Those of the orders that no line is about."""
        marks = ", ".join("?" * len(order_ids))
        query = f"SELECT DISTINCT order_id FROM lines WHERE order_id IN ({marks})"  # noqa: S608 - only marks
        found: Iterator[Any] = self._database.execute(query, order_ids)
        return set(order_ids) - {row[0] for row in found}

    def __exit__(self, *exc_info: object) -> None:
        self._database.close()
