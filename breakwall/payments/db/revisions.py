"""Which revision the orders database is at, and what of it this version can work with.

A fleet is rolled with old and new processes side by side on one database. So a process works with the revision of its
own version, with the one before and with the one after: a migration only adds what the version before does not need
(expand). What that version still uses is removed one version later (contract). CONTRIBUTING.md has the rules.

A table or column that came after `BEFORE` may therefore be missing. A process works without it, and uses it as soon as
it exists: each transaction asks until then.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import Column, Connection, Engine, Table, inspect, text
from sqlalchemy.exc import DBAPIError

from breakwall.migrations import HEAD
from breakwall.payments.db.errors import SchemaError, sqlstate
from breakwall.payments.db.sqlite import READ_ONLY

# The revision of the version before: this version works with it and what came since, and `downgrade` goes back to it.
# Revision 0009 changes no table, so what works with 0008 works with 0007 as before.
BEFORE = "0007"

# The revision of the version after. Its migration is unknown here, and keeps this version working.
AFTER = f"{int(HEAD) + 1:04d}"

# The first revision whose version works with the tables of the version after.
TOLERANT = "0005"

# PostgreSQL's codes, and SQLite's words, for a table or a column that does not exist.
_UNDEFINED = {"42P01", "42703"}
_MISSING = ("no such table", "no such column", "has no column named")

Columns = tuple[Column[Any], ...]

_existing: WeakKeyDictionary[Engine, set[str]] = WeakKeyDictionary()  # By engine, what it was seen to have.


def current_revision(engine: Engine) -> str | None:
    """The revision that the database is at; None for one that was never migrated."""
    with engine.connect().execution_options(**READ_ONLY) as connection:
        if not inspect(connection).has_table("alembic_version"):
            return None
        revision: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
        return revision


def starts_after_upgrade(before: str, after: str) -> bool:
    """Whether a process of the version of revision ``before`` can be started again at ``after``.

    One that runs during the migration continues in any case.
    """
    return before >= TOLERANT and int(after) - int(before) <= 1


def check_schema(engine: Engine) -> None:
    """Raise `SchemaError` unless the database is at one of the revisions from `BEFORE` to `AFTER`."""
    # Connecting would make an empty file for a URL with a typing error.
    has_no_file = engine.dialect.name == "sqlite" and not Path(engine.url.database or "").exists()
    if has_no_file:
        raise SchemaError(
            f"the orders database {engine.url.database} does not exist: run `breakwall db upgrade`, or correct "
            "BREAKWALL_DATABASE_URL"
        )
    check_revision(current_revision(engine))


def check_revision(revision: str | None) -> None:
    """Raise `SchemaError` unless this version works with a database at ``revision``."""
    if revision is not None and BEFORE <= revision <= AFTER:
        return
    check_not_newer(revision)
    found = "was never migrated" if revision is None else f"is at revision {revision}"
    raise SchemaError(f"the orders database {found}, this version needs {HEAD}: run `breakwall db upgrade`")


def check_not_newer(revision: str | None) -> None:
    """Raise `SchemaError` for a revision of a version later than the next one."""
    # Revisions are numbered with four digits, so that their texts are in order.
    if revision is not None and revision > AFTER:
        raise SchemaError(
            f"the orders database is at revision {revision}, this version knows {HEAD} and works with {AFTER} at "
            "most: a newer Breakwall has migrated it, run that one"
        )


def has_table(connection: Connection, name: str) -> bool:
    """Whether the database has a table."""
    known = _existing.setdefault(connection.engine, set())
    if name not in known and inspect(connection).has_table(name):
        known.add(name)
    return name in known


def missing_columns(connection: Connection, table: Table) -> set[str]:
    """The columns of a table with the mark `schema.NEWEST` that the database does not have yet, by their names.

    Such a column has the same name in Python: rows to insert are compared with these names.
    """
    known = _existing.setdefault(connection.engine, set())
    if f"{table.name}.*" in known:  # Each transaction asks, so this is the short way.
        return set()
    newest = {column.name for column in table.c if "newest" in column.info}
    missing = {name for name in newest if f"{table.name}.{name}" not in known}
    if missing:
        found = {column["name"] for column in inspect(connection).get_columns(table.name)}
        known.update(f"{table.name}.{name}" for name in missing & found)
        missing -= found
    if not missing:
        known.add(f"{table.name}.*")
    return missing


def existing_columns(connection: Connection, table: Table) -> Columns:
    """What to select for whole rows: the columns that exist."""
    missing = missing_columns(connection, table)
    return tuple([column for column in table.c if column.name not in missing])


def without_missing_columns(
    connection: Connection, table: Table, rows: Sequence[dict[str, Any]]
) -> Sequence[dict[str, Any]]:
    """Rows to insert, without the columns that are missing; `SchemaError` if a row has a value for one of them."""
    missing = missing_columns(connection, table)
    for name in missing:
        if any(row.get(name) is not None for row in rows):
            raise SchemaError(
                f"the orders database has no column {name} before its next revision: run `breakwall db upgrade`"
            )
    if not missing:
        return rows
    return [{name: value for name, value in row.items() if name not in missing} for row in rows]


def forget_dropped(engine: Engine, error: DBAPIError) -> bool:
    """Whether a table or column that existed may be the cause of an error, because `downgrade` dropped it.

    Then the next transaction asks again. The failed one has changed nothing, and can be repeated.
    """
    undefined = sqlstate(error.orig) in _UNDEFINED
    missing = undefined or any(words in str(error.orig) for words in _MISSING)
    return missing and bool(_existing.pop(engine, None))
