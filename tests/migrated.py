"""Empty databases with this version's tables. They are used again: to migrate a new one takes many times as long."""

import secrets
import shutil
import sqlite3
import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager, closing, suppress
from functools import cache
from pathlib import Path
from unittest import mock

import psycopg
from sqlalchemy import Engine, text

from breakwall.payments.db import migrate
from breakwall.payments.db.database import Database
from breakwall.payments.db.migrate import upgrade
from breakwall.payments.db.revisions import current_revision
from breakwall.payments.db.schema import metadata, site
from tests.servers import PostgresServer

EMPTY = "; ".join(f"DELETE FROM {table}" for table in reversed(metadata.sorted_tables) if table is not site)

ALONE = """
    SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
"""

FORM = """
    SELECT md5(string_agg(line, ' ' ORDER BY line)) FROM (
        SELECT concat_ws(' ', relname, relacl, attname, atttypid, attnotnull, atthasdef)
        FROM pg_attribute JOIN pg_class c ON c.oid = attrelid WHERE relnamespace = 'public'::regnamespace
        UNION ALL SELECT concat_ws(' ', conname, convalidated) FROM pg_constraint
        UNION ALL SELECT tgname FROM pg_trigger
        UNION ALL SELECT setconfig::text FROM pg_db_role_setting
        UNION ALL SELECT site::text FROM site
        UNION ALL SELECT version_num FROM alembic_version
        UNION ALL SELECT relname FROM pg_class
        WHERE relnamespace = 'public'::regnamespace AND pg_relation_size(oid) > 131072
    ) AS form(line)
"""
"""What a test may change besides rows: tables, rights, settings, site, revision; and space that many rows took."""


_new: set[str] = set()
"""The URLs of databases that nobody has used yet."""


def prepare(database: Database) -> None:
    """Migrate it, unless its first user knows that it is migrated: to look takes an engine and a connection."""
    url = database.engine.url.render_as_string(hide_password=False)
    if url in _new:
        _new.remove(url)
    else:
        upgrade(database.engine)


class MigratedDatabases:
    """Databases on one PostgreSQL, each used by one test after another."""

    def __init__(self, server: PostgresServer) -> None:
        self._server = server
        self._free: list[tuple[str, str]] = []
        self._template = "not_yet_migrated"

    def take(self) -> tuple[str, str]:
        """The URL of one, and its `FORM`."""
        url, form = self._used_again() or self._made()
        _new.add(url)
        return url, form

    def _used_again(self) -> tuple[str, str] | None:
        while self._free:
            url, form = self._free.pop()
            with suppress(psycopg.errors.InvalidCatalogName):  # the server was wiped meanwhile
                try:
                    # A process that the last test left behind does not find it under the new name.
                    return self._server.renamed(url), form
                except psycopg.errors.ObjectInUse:  # such a process was faster
                    self._server.drop(url)
        return None

    def _made(self) -> tuple[str, str]:
        try:
            url = self._server.fresh_url(self._template)
        except psycopg.errors.InvalidCatalogName:  # there is none yet, or the server was wiped meanwhile
            self._make_template()
            url = self._server.fresh_url(self._template)
        return url, self._cleaned(url)

    def _make_template(self) -> None:
        url = self._server.fresh_url()
        self._template = url.rpartition("/")[2]
        with closing(Database(url)) as database:
            upgrade(database.engine)

    def give_back(self, url: str, form: str) -> None:
        """Empty it for the next test; drop it if anything but its rows has changed."""
        _new.discard(url)
        if self._cleaned(url) == form:
            self._free.append((url, form))
        else:
            self._server.drop(url)

    def _cleaned(self, url: str) -> str:
        try:
            with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
                connection.execute(ALONE)
                connection.execute(EMPTY)
                (form,) = connection.execute(FORM).fetchone() or ("",)
                return str(form)
        except psycopg.Error as error:
            return str(error)


def copy_to(file: Path, template: Path) -> str:
    """The URL of a new SQLite file, a copy of the template, which is made if it does not exist."""
    if not template.exists():
        with closing(Database(f"sqlite:///{template}")) as database:
            upgrade(database.engine)
    shutil.copy(template, file)
    url = f"sqlite:///{file}"
    _new.add(url)
    return url


def at_once() -> AbstractContextManager[object]:
    """Meanwhile a new SQLite database gets its tables by a few statements. The migration's steps take 0.2 seconds."""
    _statements()  # By the steps, as long as they are in place.
    return mock.patch.object(migrate, "_upgrade_in_steps", _upgrade_at_once)


_upgrade_in_steps = migrate._upgrade_in_steps


def _upgrade_at_once(engine: Engine, check_lock: Callable[[], object], site: str | None) -> None:
    if engine.dialect.name != "sqlite" or current_revision(engine) is not None:
        _upgrade_in_steps(engine, check_lock, site)
        return
    with engine.begin() as connection:
        for statement in _statements():
            connection.exec_driver_sql(statement)
        connection.execute(text("UPDATE site SET name = :name"), {"name": site or secrets.token_hex(8)})


@cache
def _statements() -> list[str]:
    """What makes a database as the migration's steps do."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "migrated.db"
        copy_to(Path(folder) / "copy.db", file)
        with closing(sqlite3.connect(file)) as connection:
            _begin, *statements, _commit = connection.iterdump()
    return [statement for statement in statements if "sqlite_sequence" not in statement]
