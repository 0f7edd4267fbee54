"""Takes the orders database back to the revision of the version before, for a return to the version before.

It is not needed while a fleet is rolled, see `revisions`.
"""

from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, Engine, Table, func, select, text

from breakwall.migrations import HEAD
from breakwall.payments.db.errors import SchemaError
from breakwall.payments.db.lock_timeouts import NO_TIMEOUTS
from breakwall.payments.db.migrate import alembic_config
from breakwall.payments.db.migration_lock import migration_engine, migration_lock
from breakwall.payments.db.migration_steps import MigrationSteps
from breakwall.payments.db.operator_tables import (
    BulkState,
    api_tokens,
    backlog_samples,
    browser_sessions,
    bulk_retries,
    bulk_retry_orders,
    circuit_transitions,
    delivery_totals,
    earlier_ends,
    leases,
    operator_actions,
    order_totals,
    order_traces,
    payment_hints,
)
from breakwall.payments.db.revisions import BEFORE, check_schema, current_revision
from breakwall.payments.db.schema import interventions, orders
from breakwall.payments.db.sqlite import READ_ONLY
from breakwall.payments.operator.locking import RefusedError

_DROPPED = (
    bulk_retries,
    bulk_retry_orders,
    operator_actions,
    api_tokens,
    browser_sessions,
    backlog_samples,
    circuit_transitions,
    leases,
    payment_hints,
    order_totals,
    order_traces,
    earlier_ends,
    delivery_totals,
)

_LOCKED = (*_DROPPED, interventions, orders)  # An index and a trigger of the last two are dropped.

_OPEN = bulk_retries.c.state.in_([BulkState.COLLECTING, BulkState.RUNNING])
_OPEN_BULK_RETRIES = (
    "{} not finished, and nobody would know afterwards which of the orders are left. Nothing was changed. Wait until "
    "all bulk retries have finished, or abort them first"
)


@dataclass(frozen=True, slots=True)
class Losses:
    """What is lost with the tables that came after `BEFORE`. No order is."""

    open_bulk_retries: int = 0  # While there are any, `downgrade` is refused.
    bulk_retries: int = 0  # What is known of those that have ended.
    actions: int = 0  # Of the audit trail, but for those on orders and on the drain.
    tokens: int = 0  # Of the API, not revoked.

    def __str__(self) -> str:
        return (
            f"{_number(self.tokens, 'token', 'tokens')} of the API, {_number(self.actions, 'entry', 'entries')} of the "
            f"audit trail, what is known of {_number(self.bulk_retries, 'bulk retry', 'bulk retries')}, the history of "
            "the backlog and of the circuit, and the traces of orders"
        )


def _number(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"


def losses(engine: Engine) -> Losses:
    """What `downgrade` would lose. Raises `SchemaError` if this version does not work with the database's revision."""
    check_schema(engine)
    with engine.connect().execution_options(**READ_ONLY) as connection:
        return _losses(connection) if _is_ours(current_revision(engine)) else Losses()


def downgrade(engine: Engine) -> str:
    """Take the database back from `HEAD`, or from what came after `BEFORE`, to that, and return it.

    One at `BEFORE` stays as it is.

    It is one short transaction. If another transaction holds one of the tables, it gives way and is tried again; in
    the end it raises `MigrationBlockedError`. Raises `RefusedError` while a bulk retry is not finished, and
    `SchemaError` at any other revision. After an error nothing was changed.
    """
    check_schema(engine)
    with migration_engine(engine) as own, migration_lock(own) as check_lock, own.connect() as connection:
        connection.execution_options(**{NO_TIMEOUTS: True})
        steps = MigrationSteps(connection, check_lock, command="breakwall db downgrade")
        return steps.run_short(_downgrade, *(table.name for table in _LOCKED))


def _downgrade(connection: Connection) -> str:
    from alembic import command

    revision = connection.scalar(text("SELECT version_num FROM alembic_version"))
    if revision == BEFORE:
        return BEFORE
    if not _is_ours(revision):
        raise SchemaError(
            f"the orders database is at revision {revision}, of the version after this one: "
            "take it back with that version's `breakwall db downgrade`"
        )
    if connection.dialect.name == "postgresql":
        # From here on no process begins a bulk retry. On SQLite the transaction has locked everything.
        connection.execute(text("LOCK TABLE bulk_retries IN SHARE ROW EXCLUSIVE MODE"))
    if unfinished := _losses(connection).open_bulk_retries:
        raise RefusedError(
            _OPEN_BULK_RETRIES.format(_number(unfinished, "bulk retry is", "bulk retries are"))
        )
    command.downgrade(alembic_config(connection), BEFORE)
    return BEFORE


def _is_ours(revision: str | None) -> bool:
    """Whether it is one that this version's migration makes from `BEFORE`."""
    return revision is not None and BEFORE < revision <= HEAD


def _losses(connection: Connection) -> Losses:
    return Losses(
        open_bulk_retries=_count(connection, bulk_retries, _OPEN),
        bulk_retries=_count(connection, bulk_retries, ~_OPEN),
        actions=_count(connection, operator_actions),
        tokens=_count(connection, api_tokens, api_tokens.c.revoked_at.is_(None)),
    )


def _count(connection: Connection, table: Table, *which: ColumnElement[bool]) -> int:
    return connection.scalar(select(func.count()).select_from(table).where(*which)) or 0
