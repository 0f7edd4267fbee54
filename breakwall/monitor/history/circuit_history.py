"""Keeps how the circuit changed its state: the process that samples the history looks each second."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import Connection, Row, delete, func, insert, select

from breakwall.breaker import BreakerStatus, CircuitState
from breakwall.monitor.history.transitions import (
    CircuitPosition,
    CircuitTransition,
    StoredTransition,
    TransitionCause,
    transitions_between,
)
from breakwall.payments.db.clock import Clock
from breakwall.payments.db.database import Database
from breakwall.payments.db.operator_tables import circuit_transitions
from breakwall.payments.db.query_hints import once
from breakwall.payments.db.revisions import has_table

_FIELDS = tuple(CircuitTransition.__dataclass_fields__)


class CircuitHistory:
    """`look` at the circuit again and again; `forget` when another process does it.

    ``may_write`` says, within a transaction, whether this process still is the one that looks.
    """

    def __init__(self, database: Database, may_write: Callable[[Connection], bool]) -> None:
        self._database, self._may_write = database, may_write
        self._last: CircuitPosition | None = None
        self._stored: CircuitPosition | None = None  # After the newest transition that was written down.

    def forget(self) -> None:
        self._last = None

    def look(self, status: BreakerStatus) -> None:
        """Write down what has changed since the last look, also that of another process. Raises as the database."""
        if not status.store_ok:
            return  # It is the local circuit of this process.
        if self._last is None:
            self._last = self._stored = self._database.read(newest_position)
        if self._last is not None and (found := transitions_between(self._last, status)):
            if not self._database.write(
                lambda connection: self._add(connection, found), name="record_transitions"
            ):
                self.forget()
                return
            self._stored = CircuitPosition.after(found[-1])
        self._last = CircuitPosition.of(status)

    def _add(self, connection: Connection, found: Sequence[CircuitTransition]) -> bool:
        # After a pause of this process, another one may have written them down.
        if not self._may_write(connection) or newest_position(connection) != self._stored:
            return False
        rows = [{name: getattr(one, name) for name in _FIELDS} for one in found]
        connection.execute(insert(circuit_transitions), rows)
        return True


def newest_position(connection: Connection) -> CircuitPosition | None:
    """Where the circuit was after its newest transition; None if none was written down."""
    newest = newest_transitions(connection, limit=1)
    return CircuitPosition.after(newest[0]) if newest else None


def newest_transitions(
    connection: Connection, *, limit: int, before: int | None = None
) -> list[StoredTransition]:
    """The last transitions of the circuit, the newest first. None before revision 0008.

    ``before``: only those that were written down before the one with this id.
    """
    if not has_table(connection, circuit_transitions.name):
        return []
    wanted = select(circuit_transitions).order_by(circuit_transitions.c.id.desc()).limit(limit)
    if before is not None:
        wanted = wanted.where(circuit_transitions.c.id < before)
    return [_transition(row) for row in connection.execute(wanted)]


def _transition(row: Row[Any]) -> StoredTransition:
    return StoredTransition(
        row.at,
        row.generation,
        row.open_count,
        CircuitState(row.before),
        CircuitState(row.after),
        TransitionCause(row.cause),
        row.failures,
        id=row.id,
    )


def remove_before(connection: Connection, clock: Clock, seconds: float) -> None:
    """Delete the transitions of more than so many seconds ago, but for the newest: the next ones follow it."""
    newest = select(func.max(circuit_transitions.c.id)).scalar_subquery()
    is_old = circuit_transitions.c.at < once(clock.after(-seconds))
    connection.execute(delete(circuit_transitions).where(is_old, circuit_transitions.c.id < newest))
