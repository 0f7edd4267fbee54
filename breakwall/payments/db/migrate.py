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

FIRST_USE_TIMEOUT = 20.0  # Seconds that the first use waits for another process that makes the data folder.


def upgrade(engine: Engine, *, site: str | None = None, wait: float | None = None) -> str:
    """Migrate to `HEAD` and return it. Safe if several processes do it at once, and while others write.

    A site without a name gets ``site``, or a random one. ``wait`` is that of `migration_lock`. A database that the
    version after has migrated stays as it is, and its revision is returned: while a fleet is rolled, a process of this
    version may start once more.

    Raises `SchemaError` for an unknown revision, without a change. After `MigrationBlockedError`, or a
    `DatabaseUnavailableError` for a lost connection, another call continues where this one stopped.
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
    """Make the data folder and its database on first use. If several processes do it at once, one makes them."""
    make_folder(folder)
    upgrade(engine, site=site, wait=wait)


def alembic_config(connection: Connection, **attributes: Any) -> Any:
    """Alembic's configuration for the scripts, which work on ``connection`` and read the other ``attributes``."""
    # Imported here: it takes a tenth of a second, and most processes never migrate.
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
    # A new database is made in one transaction: on SQLite its first statement takes the write lock.
    begin = {BEGIN: "IMMEDIATE"} if new else READ_ONLY
    with engine.connect().execution_options(**{NO_TIMEOUTS: True, **begin}) as connection:
        # Alembic neither begins nor commits in a transaction that is open before: the steps do.
        connection.execute(text("SELECT 1"))
        connection.execution_options(**{BEGIN: "IMMEDIATE"})
        steps = MigrationSteps(connection, check_lock, new=new)
        try:
            command.upgrade(alembic_config(connection, steps=steps, site=site), HEAD)
        except CommandError as error:
            raise SchemaError(f"the orders database is at revision {revision}: {error}") from error
        connection.commit()
