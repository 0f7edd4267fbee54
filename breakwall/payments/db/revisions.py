"""Which revision the orders database is at, and whether this version can work with it.

A fleet is rolled with old and new processes side by side on one database. So a process works with the revision of its
own version, with the one before and with the one after: a migration only adds what the version before can do without
(expand), and what that one still needs is removed a version later (contract). CONTRIBUTING.md has the rules.
"""

from pathlib import Path

from sqlalchemy import Engine, inspect, text

from breakwall.migrations import HEAD
from breakwall.payments.db.errors import SchemaError
from breakwall.payments.db.sqlite import READ_ONLY

# The revision of the version before: this version works with it, and `downgrade` goes back to it.
BEFORE = f"{int(HEAD) - 1:04d}"

# The revision of the version after, unknown as it is: its migration keeps this version working.
AFTER = f"{int(HEAD) + 1:04d}"

# The first revision whose version works with the tables of the one after. A running process of an earlier
# version continues after a migration, but cannot be started again.
TOLERANT = "0005"


def current_revision(engine: Engine) -> str | None:
    """The revision that the database is at; None for one that was never migrated."""
    with engine.connect().execution_options(**READ_ONLY) as connection:
        if not inspect(connection).has_table("alembic_version"):
            return None
        revision: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
        return revision


def check_schema(engine: Engine) -> None:
    """Raise `SchemaError` unless the database is at this version's revision, or one before or after it."""
    # Connecting would leave an empty file behind wherever a URL has a typing error.
    has_no_file = engine.dialect.name == "sqlite" and not Path(engine.url.database or "").exists()
    revision = None if has_no_file else current_revision(engine)
    if revision in {BEFORE, HEAD, AFTER}:
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
