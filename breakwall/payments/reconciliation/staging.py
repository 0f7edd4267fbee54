"""A report's lines, sorted by order, on disk: a million of them do not fill the memory."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from itertools import groupby
from typing import Any

from breakwall.payments.reconciliation.charge_status import Meaning
from breakwall.payments.reconciliation.matching import Match
from breakwall.payments.reconciliation.report import ReportLine

_TABLE = """
CREATE TABLE lines (
    number INTEGER, key TEXT, charge_id TEXT, amount INTEGER, currency TEXT, status TEXT, named TEXT,
    charged INTEGER, refunded INTEGER, decides INTEGER, order_id TEXT, owner TEXT
)
"""
# Refunds that give back less than the charge leave it standing.
_REFUNDED_IN_PART = """
DELETE FROM lines WHERE refunded AND (
    SELECT CASE WHEN count(*) = count(amount) THEN sum(amount) END
    FROM lines AS back WHERE back.charge_id = lines.charge_id AND back.refunded
) < (
    SELECT max(amount) FROM lines AS charge WHERE charge.charge_id = lines.charge_id AND charge.charged
)
"""
# A charge that was given back, or has failed after all, stands as its last line says, under whatever key.
_OVERTAKEN = """
DELETE FROM lines WHERE charged AND NOT (
    SELECT last.charged FROM lines AS last WHERE last.charge_id = lines.charge_id AND last.decides
    ORDER BY last.number DESC LIMIT 1
)
"""
# Of lines that say the same the first one stays.
_BY_ORDER = """
SELECT order_id, min(number) AS first, key, charge_id, amount, currency, status, named, owner FROM lines
WHERE order_id IS NOT NULL
GROUP BY order_id, charge_id, amount, currency, status, owner
ORDER BY order_id, first
"""
# A state that is no charge's, and that no order goes by, is no difference.
_WITHOUT_ORDER = """
SELECT number, key, charge_id, amount, currency, status, named, owner FROM lines
WHERE order_id IS NULL AND (charged OR (key IS NOT NULL AND decides AND NOT refunded)) ORDER BY number
"""
_SHARED = """
SELECT charge_id, min(order_id), max(order_id), min(number) FROM lines
WHERE charged AND order_id IS NOT NULL GROUP BY charge_id HAVING count(DISTINCT order_id) > 1
"""
# An order whose charge stands under another's key is in the report, too.
_MENTIONED = """
SELECT order_id FROM lines WHERE order_id IN ({marks})
UNION SELECT owner FROM lines WHERE charged AND owner IN ({marks})
"""
_DECIDING = frozenset({Meaning.CHARGED, Meaning.NOT_CHARGED, Meaning.REFUNDED})


class Spool(AbstractContextManager["Spool"]):
    """A private table that SQLite keeps in an unnamed temporary file, which ends with the process."""

    def __init__(self) -> None:
        self._database = sqlite3.connect("", isolation_level=None)
        for pragma in ("temp_store = FILE", "journal_mode = OFF", "synchronous = OFF"):
            self._database.execute(f"PRAGMA {pragma}")
        self._database.execute(_TABLE)

    def add(self, matches: Iterable[Match]) -> None:
        """Keep lines, each with the order that it is about, if that is known."""
        self._database.execute("BEGIN")
        self._database.executemany(
            f"INSERT INTO lines VALUES ({', '.join('?' * 12)})",  # noqa: S608 - only marks
            map(_row, matches),
        )
        self._database.execute("COMMIT")

    def complete(self) -> None:
        """To be called once, after the last line was added: of each charge, its last line's state stands."""
        self._database.execute("CREATE INDEX by_charge ON lines (charge_id, number, charged)")
        self._database.execute(_REFUNDED_IN_PART)
        self._database.execute(_OVERTAKEN)
        self._database.execute("CREATE INDEX by_order ON lines (order_id)")
        self._database.execute("CREATE INDEX by_owner ON lines (owner) WHERE owner IS NOT NULL")

    def by_order(self) -> Iterator[tuple[str, list[ReportLine], dict[int, str]]]:
        """Each order's lines, in the order of the report, and the other orders whose they are, by number."""
        for order_id, rows in groupby(self._database.execute(_BY_ORDER), key=lambda row: str(row[0])):
            found = list(rows)
            owners = {row[1]: row[-1] for row in found if row[-1]}
            yield order_id, [ReportLine(*row[1:-1]) for row in found], owners

    def without_order(self) -> Iterator[tuple[ReportLine, str | None]]:
        """The lines whose order is not known and should be, each with the order whose charge it is, if any."""
        return ((ReportLine(*row[:-1]), row[-1]) for row in self._database.execute(_WITHOUT_ORDER))

    def shared_charges(self) -> Iterator[tuple[str, tuple[str, str], int]]:
        """Charges that are there for several orders: the charge, two of them, and the first line."""
        return ((row[0], (row[1], row[2]), row[3]) for row in self._database.execute(_SHARED))

    def missing(self, order_ids: Sequence[str]) -> set[str]:
        """Those of the orders that no line is about."""
        query = _MENTIONED.format(marks=", ".join("?" * len(order_ids)))
        found: Iterator[Any] = self._database.execute(query, [*order_ids, *order_ids])
        return set(order_ids) - {row[0] for row in found}

    def __exit__(self, *exc_info: object) -> None:
        self._database.close()


def _row(found: Match) -> tuple[Any, ...]:
    line, meaning = found.line, found.line.meaning
    return (
        line.number,
        line.key,
        line.charge_id,
        line.amount,
        line.currency,
        line.status,
        line.order_id,
        meaning is Meaning.CHARGED,
        meaning is Meaning.REFUNDED,
        meaning in _DECIDING,
        found.order_id,
        found.owner,
    )
