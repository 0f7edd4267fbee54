"""Migrates the orders database to this version's tables."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import InterfaceError, OperationalError

import breakwall.migrations
from breakwall.host.private_files import make_folder
from breakwall.migrations import HEAD
from breakwall.payments.db.errors import DatabaseUnavailableError, SchemaError, first_line
from breakwall.payments.db.lock_timeouts import NO_TIMEOUTS
from breakwall.payments.db.migration_lock import migration_engine, migration_lock
from breakwall.payments.db.migration_steps import MigrationSteps
from breakwall.payments.db.revisions import AFTER, check_not_newer, current_revision
from breakwall.payments.db.sqlite import BEGIN, READ_ONLY

# Seconds that the first use of the embedded database waits for another process that makes it.
FIRST_USE_TIMEOUT = 20.0


def upgrade(engine: Engine, *, site: str | None = None, wait: float | None = None) -> str:
    """Migrate to `HEAD` and return it. Safe when several processes do it at once, and while others write.

    A database that the version after has migrated is left as it is, and its revision returned: while a fleet is
    rolled, a process of this version may be started once more.

    Args:
        site: the name that the site gets if it has none yet; a random one if this is None.
        wait: seconds to wait for another process that migrates it; None waits as long as that takes.

    Raises:
        SchemaError: it is at a revision that this version does not know; nothing was changed.
        MigrationBlockedError: another transaction holds a lock that it needs. A repeated call continues where this
            one stopped.
        DatabaseUnavailableError: the connection was lost; the same.
    """
    with migration_engine(engine) as own:
        revision = current_revision(own)
        check_not_newer(revision)
        if revision in {HEAD, AFTER}:
            return str(revision)
        try:
            with migration_lock(own, wait=wait) as check_lock:
                _upgrade_in_steps(own, check_lock, site)
        except (OperationalError, InterfaceError) as error:
            raise DatabaseUnavailableError(
                f"the orders database's migration was stopped ({first_line(error.orig)}). Nothing is half done: run "
                "`breakwall db upgrade` again, and it continues where it stopped"
            ) from error
    return HEAD


def prepare_data_folder(
    folder: Path, engine: Engine, *, site: str | None = None, wait: float | None = FIRST_USE_TIMEOUT
) -> None:
    """Make the data folder and its database on first use, once however many processes start.

    Args:
        site: as in `upgrade`.
        wait: as in `upgrade`.
    """
    make_folder(folder)
    upgrade(engine, site=site, wait=wait)


def alembic_config(connection: Connection, **attributes: Any) -> Any:
    """Alembic's configuration for the scripts, which work on ``connection`` and read the other ``attributes``."""
    # Alembic takes a tenth of a second to import, and most processes never migrate.
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(breakwall.migrations.__file__).parent))
    config.attributes.update(attributes, connection=connection)
    return config


def _upgrade_in_steps(engine: Engine, check_lock: Callable[[], object], site: str | None) -> None:
    from alembic import command
    from alembic.util import CommandError

    revision = current_revision(engine)
    check_not_newer(revision)
    new = revision is None
    # A new SQLite database is made in one transaction, so its first statement takes the write lock.
    begin = {BEGIN: "IMMEDIATE"} if new else READ_ONLY
    with engine.connect().execution_options(**{NO_TIMEOUTS: True, **begin}) as connection:
        # In a transaction that is not its own, Alembic begins and commits nothing: the steps do.
        connection.execute(text("SELECT 1"))
        connection.execution_options(**{BEGIN: "IMMEDIATE"})
        steps = MigrationSteps(connection, check_lock, new=new)
        try:
            command.upgrade(alembic_config(connection, steps=steps, site=site), HEAD)
        except CommandError as error:
            raise SchemaError(f"the orders database is at revision {revision}: {error}") from error
        connection.commit()
