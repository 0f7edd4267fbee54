"""Which of the newest revision's tables are there.

While a fleet is rolled, a process of this version may run beside a database of the version before, which lacks them.
It goes on without, and notices when they come: in the same transaction that asks, so that nothing falls between.
"""

from __future__ import annotations

from weakref import WeakKeyDictionary

from sqlalchemy import Connection, Engine, inspect
from sqlalchemy.exc import DBAPIError

_UNDEFINED_TABLE = "42P01"

_there: WeakKeyDictionary[Engine, set[str]] = WeakKeyDictionary()


def is_there(connection: Connection, name: str) -> bool:
    """Whether the database has a table. Asked for until it has: tables come, and as a rule stay."""
    known = _there.setdefault(connection.engine, set())
    if name not in known and inspect(connection).has_table(name):
        known.add(name)
    return name in known


def forget_lost_tables(engine: Engine, error: DBAPIError) -> bool:
    """Whether an error may come of a table that was there and is not any more: `is_there` asks again then.

    That is so after a `downgrade`. A transaction that met it has changed nothing, and is tried again.
    """
    lacks = getattr(error.orig, "sqlstate", None) == _UNDEFINED_TABLE or "no such table" in str(error.orig)
    return lacks and bool(_there.pop(engine, None))
