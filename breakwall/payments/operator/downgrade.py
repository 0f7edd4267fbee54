"""Takes the orders database back by one revision, for a return to the version before.

It is not needed while a fleet is rolled, see `revisions`.
"""

from dataclasses import dataclass

from sqlalchemy import Connection, Engine, func, select, text

from breakwall.migrations import HEAD
from breakwall.payments.db.errors import SchemaError
from breakwall.payments.db.lock_timeouts import NO_TIMEOUTS
from breakwall.payments.db.migrate import alembic_config
from breakwall.payments.db.migration_lock import migration_engine, migration_lock
from breakwall.payments.db.migration_steps import MigrationSteps
from breakwall.payments.db.revisions import BEFORE, check_schema, current_revision
from breakwall.payments.db.schema import known_keys, strange_messages, workers
from breakwall.payments.db.sqlite import READ_ONLY
from breakwall.payments.operator.locking import RefusedError

_DROPPED = (strange_messages, workers, known_keys)

_HAS_KEYS = (
    "orders were pruned, and the table known_keys, which has their keys, would be dropped: an order that is placed "
    "again would be charged again. Nothing was changed. You can go back only before the first pruning, or after the "
    "last of these keys has expired (BREAKWALL_RETENTION__KEYS_DAYS)"
)


@dataclass(frozen=True, slots=True)
class Losses:
    """What is lost with the tables of the newest revision."""

    # There are keys of pruned orders. Without them an order that is placed again is charged again.
    keys: bool = False
    strange_messages: int = 0  # Messages that were set aside for a person to read.

    def __str__(self) -> str:
        number, heartbeats = self.strange_messages, "the workers' heartbeats, which come again by themselves"
        messages = "1 strange message" if number == 1 else f"{number:,} strange messages"
        return f"{heartbeats}, and {messages}" if number else heartbeats


def losses(engine: Engine) -> Losses:
    """What `downgrade` would lose. Raises `SchemaError` if this version does not work with the database's revision."""
    check_schema(engine)
    with engine.connect().execution_options(**READ_ONLY) as connection:
        return _losses(connection) if current_revision(engine) == HEAD else Losses()


def downgrade(engine: Engine) -> str:
    """Take the database back from `HEAD` to `BEFORE`, and return that. One at `BEFORE` stays as it is.

    It is one short transaction. If another transaction holds one of the tables, it gives way and is tried again; in
    the end it raises `MigrationBlockedError`. Raises `RefusedError` if there are keys of pruned orders, and
    `SchemaError` at any other revision. After an error nothing was changed.
    """
    check_schema(engine)
    with migration_engine(engine) as own, migration_lock(own) as check_lock, own.connect() as connection:
        connection.execution_options(**{NO_TIMEOUTS: True})
        steps = MigrationSteps(connection, check_lock, command="breakwall db downgrade")
        return steps.run_short(_downgrade, "orders", *(table.name for table in _DROPPED))


def _downgrade(connection: Connection) -> str:
    from alembic import command

    if connection.dialect.name == "postgresql":
        # From here on no process prunes. On SQLite the transaction has locked everything.
        connection.execute(text("LOCK TABLE orders IN SHARE ROW EXCLUSIVE MODE"))
    revision = connection.scalar(text("SELECT version_num FROM alembic_version"))
    if revision == BEFORE:
        return BEFORE
    if revision != HEAD:
        raise SchemaError(
            f"the orders database is at revision {revision}, of the version after this one: "
            "take it back with that version's `breakwall db downgrade`"
        )
    if _losses(connection).keys:
        raise RefusedError(_HAS_KEYS)
    command.downgrade(alembic_config(connection), BEFORE)
    return BEFORE


def _losses(connection: Connection) -> Losses:
    keys = connection.scalar(select(select(known_keys.c.order_id).exists()))
    kept = connection.scalar(select(func.count()).select_from(strange_messages))
    return Losses(bool(keys), kept or 0)
