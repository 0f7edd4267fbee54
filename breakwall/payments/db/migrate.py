"""Bringing the orders database to this version's tables, and refusing one that is too far from them.

A fleet is rolled with old and new processes side by side on one database. So a process works with the revision of its
own version, with the one before and with the one after: a migration only adds what the version before can do without
(expand), and what that one still needs is taken away a version later (contract). CONTRIBUTING.md has the rules.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from sqlalchemy import Engine, inspect, text
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

import breakwall.migrations
from breakwall.host.private_files import make_folder
from breakwall.migrations import HEAD
from breakwall.payments.db.database import DatabaseUnavailableError, SchemaError
from breakwall.payments.db.lock_timeouts import UNBOUNDED
from breakwall.payments.db.sqlite import BEGIN

BEFORE = f"{int(HEAD) - 1:04d}"
"""The revision of the version before: this version works with it, and `downgrade` goes back to it."""

AFTER = f"{int(HEAD) + 1:04d}"
"""The revision of the version after, unknown as it is: its migration keeps this version working."""

TOLERANT = "0005"
"""The first revision whose version works with the tables of the one after. A process of one before goes on where it
runs, and is refused where it is started anew."""

_SCRIPTS = Path(breakwall.migrations.__file__).parent

FIRST_USE = 20.0
"""Seconds that the first use of the embedded database waits for another process that makes it."""


def current_revision(engine: Engine) -> str | None:
    """The revision that the database is at; None for one that was never migrated."""
    # A look: it waits for nobody who writes to SQLite.
    with engine.connect().execution_options(**{BEGIN: "DEFERRED"}) as connection:
        if not inspect(connection).has_table("alembic_version"):
            return None
        revision: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
        return revision


def check_schema(engine: Engine) -> None:
    """Raise `SchemaError` unless the database is at this version's revision, or one before or after it."""
    revision = None if _has_no_file(engine) else current_revision(engine)
    if revision in {BEFORE, HEAD, AFTER}:
        return
    _check_not_newer(revision)
    found = "was never migrated" if revision is None else f"is at revision {revision}"
    raise SchemaError(f"the orders database {found}, this version needs {HEAD}: run `breakwall db upgrade`")


def upgrade(engine: Engine, *, site: str | None = None, wait: float | None = None) -> str:
    """Migrate to `HEAD` and return it. Safe when several processes do it at once, and while others write.

    A database that the version after has migrated is left as it is, and its revision returned: while a fleet is
    rolled, a process of this version may well be started once more.

    Args:
        site: the name that the site gets where it has none yet; made up where this is None.
        wait: seconds to wait for another process that migrates it; None waits as long as that takes.

    Raises:
        SchemaError: it is at a revision that this version does not know; nothing was changed.
        MigrationBlockedError: somebody holds a lock that it needs; again, it goes on where it stopped.
        DatabaseUnavailableError: the database went away; the same.
    """
    # Alembic takes a tenth of a second to import, and most processes never migrate.
    from breakwall.payments.db.upgrade import alone, engine_for

    with engine_for(engine) as own:
        if (found := _found(own)) in {HEAD, AFTER}:
            return str(found)
        try:
            with alone(own, wait=wait) as only:
                _in_steps(own, only.check, site)
        except (OperationalError, InterfaceError) as error:
            raise DatabaseUnavailableError(_stopped(error)) from error
    return HEAD


def _in_steps(engine: Engine, still_alone: Callable[[], object], site: str | None) -> None:
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    from breakwall.payments.db.upgrade import Steps

    found = _found(engine)
    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS))
    looking = {UNBOUNDED: True, BEGIN: "IMMEDIATE" if found is None else "DEFERRED"}
    with engine.connect().execution_options(**looking) as connection:
        # In a transaction that is not its own Alembic begins and commits nothing: the steps do.
        connection.execute(text("SELECT 1"))
        connection.execution_options(**{BEGIN: "IMMEDIATE"})
        config.attributes["connection"] = connection
        config.attributes["steps"] = Steps(connection, still_alone, new=found is None)
        config.attributes["site"] = site
        try:
            command.upgrade(config, HEAD)
        except CommandError as error:
            raise SchemaError(f"the orders database is at revision {found}: {error}") from error
        connection.commit()


def _found(engine: Engine) -> str | None:
    found = current_revision(engine)
    _check_not_newer(found)
    return found


def _stopped(error: DBAPIError) -> str:
    first = next(iter(str(error.orig).strip().splitlines()), "no reason given")
    return (
        f"the orders database's migration was stopped ({first}). Nothing is half done: run `breakwall db upgrade` "
        "again, and it goes on where this one ended"
    )


def _has_no_file(engine: Engine) -> bool:
    # Connecting would leave an empty file behind wherever a URL has a slip of the pen.
    return engine.dialect.name == "sqlite" and not Path(engine.url.database or "").exists()


def _check_not_newer(revision: str | None) -> None:
    # Revisions are numbered with four digits, so that their texts are in order.
    if revision is not None and revision > AFTER:
        raise SchemaError(
            f"the orders database is at revision {revision}, this version knows {HEAD} and goes on with {AFTER} at "
            "most: a newer Breakwall has migrated it, run that one"
        )


def prepare_home(
    home: Path, engine: Engine, *, site: str | None = None, wait: float | None = FIRST_USE
) -> None:
    """Make the data folder and its database on first use, once however many processes start.

    Args:
        site: as in `upgrade`.
        wait: as in `upgrade`.
    """
    make_folder(home)
    upgrade(engine, site=site, wait=wait)
