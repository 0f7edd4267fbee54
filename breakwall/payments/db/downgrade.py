"""Taking the orders database back by one version, where that loses nothing that cannot be lost.

For who has to go back to the version before. While a fleet is rolled there is no need: see `migrate`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, Engine, func, select, text

import breakwall.migrations
from breakwall.migrations import HEAD
from breakwall.payments.db.database import SchemaError
from breakwall.payments.db.lock_timeouts import UNBOUNDED
from breakwall.payments.db.migrate import BEFORE, check_schema, current_revision
from breakwall.payments.db.schema import known_keys, strange_messages, workers
from breakwall.payments.db.sqlite import BEGIN
from breakwall.payments.db.upgrade import Steps, alone, engine_for
from breakwall.payments.operator.retry_and_cancel import RefusedError

_SCRIPTS = Path(breakwall.migrations.__file__).parent

_NEWEST = (strange_messages, workers, known_keys)
"""The tables that go."""


@dataclass(frozen=True, slots=True)
class Losses:
    """What goes with the tables of the newest revision.

    Attributes:
        keys: whether there are keys of pruned orders. Without them an order that is placed again is charged again.
        strange_messages: messages that were set aside for a person to read.
    """

    keys: bool = False
    strange_messages: int = 0

    def __str__(self) -> str:
        number = self.strange_messages
        messages = (
            "1 message that was set aside" if number == 1 else f"{number:,} messages that were set aside"
        )
        return f"the workers' heartbeats, which come again by themselves, and {messages}"


def losses(engine: Engine) -> Losses:
    """What `downgrade` would lose.

    Raises:
        SchemaError: the database is at no revision that this version works with.
    """
    check_schema(engine)
    # A look: it waits for nobody who writes to SQLite.
    with engine.connect().execution_options(**{BEGIN: "DEFERRED"}) as connection:
        return _losses(connection) if current_revision(engine) == HEAD else Losses()


def downgrade(engine: Engine) -> str:
    """Take the database back from `HEAD` to `BEFORE`, and return that. There already, it is left as it is.

    All of it is one short transaction, which gives way to whoever holds one of its tables, and is tried again.

    Raises:
        RefusedError: keys of pruned orders are in it; nothing was changed.
        SchemaError: it is at another revision; nothing was changed.
        MigrationBlockedError: somebody holds a lock that it needs; nothing was changed.
    """
    check_schema(engine)
    with engine_for(engine) as own, alone(own) as only, own.connect() as connection:
        connection.execution_options(**{UNBOUNDED: True})
        steps = Steps(connection, only.check, command="breakwall db downgrade")
        return steps.briefly(_go_back, "orders", *(table.name for table in _NEWEST))


def _go_back(connection: Connection) -> str:
    from alembic import command
    from alembic.config import Config

    _lock(connection)
    revision = connection.scalar(text("SELECT version_num FROM alembic_version"))
    if revision == BEFORE:
        return BEFORE
    if revision != HEAD:
        raise SchemaError(
            f"the orders database is at revision {revision}, of the version after this one: "
            "take it back with that version's `breakwall db downgrade`"
        )
    if _losses(connection).keys:
        raise RefusedError(_KEYS)
    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS))
    config.attributes["connection"] = connection
    command.downgrade(config, BEFORE)
    return BEFORE


def _lock(connection: Connection) -> None:
    """Nobody prunes from here on. On SQLite the transaction has locked all."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("LOCK TABLE orders IN SHARE ROW EXCLUSIVE MODE"))


def _losses(connection: Connection) -> Losses:
    keys = connection.scalar(select(select(known_keys.c.order_id).exists()))
    kept = connection.scalar(select(func.count()).select_from(strange_messages))
    return Losses(bool(keys), kept or 0)


_KEYS = (
    "orders were pruned, and what is left of them (the table known_keys) would go: whoever placed one of them again "
    "would be charged again. Nothing was changed. There is a way back only from before the first pruning, or once "
    "BREAKWALL_RETENTION__KEYS_DAYS have made the last of these keys forgotten"
)
