"""Takes the orders database back by one revision, for a return to the version before.

It is not needed while a fleet is rolled, see `revisions`.
"""

from dataclasses import dataclass

from sqlalchemy import Connection, Engine, func, select, text

from breakwall.migrations import HEAD
from breakwall.payments.db.clock import DATABASE_CLOCK
from breakwall.payments.db.errors import SchemaError
from breakwall.payments.db.lock_timeouts import NO_TIMEOUTS
from breakwall.payments.db.migrate import alembic_config
from breakwall.payments.db.migration_lock import migration_engine, migration_lock
from breakwall.payments.db.migration_steps import MigrationSteps
from breakwall.payments.db.revisions import BEFORE, check_schema, current_revision
from breakwall.payments.db.schema import backlog_counts, drain_actions, drain_control, released_orders
from breakwall.payments.db.sqlite import READ_ONLY
from breakwall.payments.fleet.drain_control import read_state
from breakwall.payments.operator.locking import RefusedError

_DROPPED = (released_orders, drain_actions, drain_control, backlog_counts)

_IS_PAUSED = (
    "the queue is paused, and the table drain_control, which says so, would be dropped: workers would send the waiting "
    "orders. Nothing was changed. Resume it first (`breakwall queue resume`); to keep the payment service free, stop "
    "the workers, or use `breakwall breaker force-open`"
)


@dataclass(frozen=True, slots=True)
class Losses:
    """What is lost with the tables of the newest revision."""

    paused: bool = False  # The drain is paused. Without the table it would continue.
    rate: float | None = None  # The highest rate that an operator has set, in orders a second.
    drain_actions: int = 0  # Rows of the history of pauses and rates.

    def __str__(self) -> str:
        number = self.drain_actions
        history = "1 row" if number == 1 else f"{number:,} rows"
        rate = "" if self.rate is None else f", and the limit of {self.rate:,.12g} orders a second"
        return f"{history} of the history of `breakwall queue pause`, `resume` and `rate`{rate}"


def losses(engine: Engine) -> Losses:
    """What `downgrade` would lose. Raises `SchemaError` if this version does not work with the database's revision."""
    check_schema(engine)
    with engine.connect().execution_options(**READ_ONLY) as connection:
        return _losses(connection) if current_revision(engine) == HEAD else Losses()


def downgrade(engine: Engine) -> str:
    """Take the database back from `HEAD` to `BEFORE`, and return that. One at `BEFORE` stays as it is.

    It is one short transaction. If another transaction holds one of the tables, it gives way and is tried again; in
    the end it raises `MigrationBlockedError`. Raises `RefusedError` while the drain is paused, and `SchemaError` at any
    other revision. After an error nothing was changed.
    """
    check_schema(engine)
    with migration_engine(engine) as own, migration_lock(own) as check_lock, own.connect() as connection:
        connection.execution_options(**{NO_TIMEOUTS: True})
        steps = MigrationSteps(connection, check_lock, command="breakwall db downgrade")
        return steps.run_short(_downgrade, *(table.name for table in _DROPPED))


def _downgrade(connection: Connection) -> str:
    from alembic import command

    revision = connection.scalar(text("SELECT version_num FROM alembic_version"))
    if revision == BEFORE:
        return BEFORE
    if revision != HEAD:
        raise SchemaError(
            f"the orders database is at revision {revision}, of the version after this one: "
            "take it back with that version's `breakwall db downgrade`"
        )
    if connection.dialect.name == "postgresql":
        # From here on no process pauses the drain. On SQLite the transaction has locked everything.
        connection.execute(text("LOCK TABLE drain_control IN SHARE ROW EXCLUSIVE MODE"))
    if _losses(connection).paused:
        raise RefusedError(_IS_PAUSED)
    command.downgrade(alembic_config(connection), BEFORE)
    return BEFORE


def _losses(connection: Connection) -> Losses:
    state = read_state(connection, DATABASE_CLOCK)
    actions = connection.scalar(select(func.count()).select_from(drain_actions))
    rate = None if state.rate is None else state.rate.per_second
    return Losses(state.paused is not None, rate, actions or 0)
