"""Which tables of the newest revision exist.

While a fleet is rolled, a process of this version may run on a database of the version before, which does not have
them. It works without them, and uses them as soon as they exist: the same transaction asks, so nothing is missed.
"""

from weakref import WeakKeyDictionary

from sqlalchemy import Connection, Engine, inspect
from sqlalchemy.exc import DBAPIError

_UNDEFINED_TABLE = "42P01"

_existing: WeakKeyDictionary[Engine, set[str]] = WeakKeyDictionary()


def has_table(connection: Connection, name: str) -> bool:
    """Whether the database has a table. It is asked until it has: tables are added, and rarely dropped."""
    known = _existing.setdefault(connection.engine, set())
    if name not in known and inspect(connection).has_table(name):
        known.add(name)
    return name in known


def forget_dropped_tables(engine: Engine, error: DBAPIError) -> bool:
    """Whether a table that existed may be the cause of an error, because `downgrade` dropped it.

    Then `has_table` asks again. The failed transaction has changed nothing, and can be repeated.
    """
    missing = getattr(error.orig, "sqlstate", None) == _UNDEFINED_TABLE or "no such table" in str(error.orig)
    return missing and bool(_existing.pop(engine, None))
