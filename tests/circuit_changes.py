"""Transitions of the circuit, as a process that samples the history writes them down."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy import insert

from breakwall.payments.db.database import Database
from breakwall.payments.db.operator_tables import circuit_transitions

BEGAN = datetime(2026, 11, 28, 12, tzinfo=UTC)

_WAYS = [
    ("closed", "open", "failures", 3),
    ("open", "half_open", "interval_over", None),
    ("half_open", "closed", "probes_succeeded", None),
]


def keep_transitions(database: Database, number: int = 3) -> None:
    """The first so many of outages that each end with the first probes; a second apart."""
    rows = []
    for generation in range(1, number + 1):
        before, after, cause, failures = _WAYS[(generation - 1) % 3]
        rows.append(
            {
                "at": BEGAN + timedelta(seconds=generation),
                "generation": generation,
                "open_count": 1 + (generation - 1) // 3,
                "before": before,
                "after": after,
                "cause": cause,
                "failures": failures,
            }
        )
    database.write(lambda connection: connection.execute(insert(circuit_transitions), rows))
