"""Bringing the orders database to this version's tables, and refusing one that is too far from them.

A fleet is rolled with old and new processes side by side on one database. So a process works with the revision of its
own version, with the one before and with the one after: a migration only adds what the version before can do without
(expand), and what that one still needs is taken away a version later (contract). CONTRIBUTING.md has the rules.
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Engine, inspect, text

from breakwall.migrations import HEAD
from breakwall.payments.database import SchemaError

BEFORE = f"{int(HEAD) - 1:04d}"
"""The revision of the version before: this version works with it, and `downgrade` goes back to it."""

AFTER = f"{int(HEAD) + 1:04d}"
"""The revision of the version after, unknown as it is: its migration keeps this version working."""

_SCRIPTS = Path(__file__).parent.parent / "migrations"

ADVISORY_LOCK = 0x62726561
"""One number for "somebody migrates Breakwall", within the database that is being migrated."""


def current_revision(engine: Engine) -> str | None:
    """The revision that the database is at; None for one that was never migrated."""
    with engine.connect() as connection:
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


def upgrade(engine: Engine, *, site: str | None = None) -> str:
    """Migrate to `HEAD` and return it. Safe when several processes do it at once.

    A database that the version after has migrated is left as it is, and its revision returned: while a fleet is
    rolled, a process of this version may well be started once more.

    Args:
        site: the name that the site gets where it has none yet; made up where this is None.

    Raises:
        SchemaError: it is at a revision that this version does not know; nothing was changed.
    """
    found = current_revision(engine)
    _check_not_newer(found)
    if found == AFTER:
        return AFTER
    # Alembic takes a tenth of a second to import, and most processes never migrate.
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS))
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            # A table of any size is migrated: the bounds of ordinary transactions do not hold here.
            connection.execute(text("SET LOCAL statement_timeout = 0"))
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": ADVISORY_LOCK})
        config.attributes["connection"] = connection
        config.attributes["site"] = site
        try:
            command.upgrade(config, HEAD)
        except CommandError as error:
            raise SchemaError(f"the orders database is at revision {found}: {error}") from error
    return HEAD


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


def prepare_home(home: Path, engine: Engine, *, site: str | None = None) -> None:
    """Make the data folder and its database on first use, once however many processes start.

    Args:
        site: as in `upgrade`.
    """
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _locked(home / "migrate.lock"):
        if current_revision(engine) != HEAD:
            upgrade(engine, site=site)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
