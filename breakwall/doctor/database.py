"""The doctor's look at the orders database: there, at this version, writable, and without incidents."""

from __future__ import annotations

from contextlib import closing

from sqlalchemy import Connection, func, select

from breakwall.doctor.addresses import is_missing_file, where
from breakwall.doctor.findings import Finding
from breakwall.migrations import HEAD
from breakwall.payments.database import Database, DatabaseUnavailableError, SchemaError
from breakwall.payments.migrate import check_schema, current_revision
from breakwall.payments.schema import incidents
from breakwall.settings import Settings

NAME = "database"
SHOWN = 3
"""Incidents that are told one by one."""


def database(settings: Settings) -> list[Finding]:
    """The orders database; the incidents in it are a finding of their own."""
    if is_missing_file(settings.database):
        return [_missing(settings)]
    prepare = None if settings.embedded_database else check_schema
    with closing(Database(settings.database, prepare=prepare)) as opened:
        try:
            # A transaction that may write, and does not: a read-only database fails here.
            opened.write(lambda connection: None)
            if current_revision(opened.engine) != HEAD:
                return [Finding(NAME, True, f"{where(settings.database)}: migrated on the next use")]
            count, newest = opened.read(_incidents)
        except SchemaError as error:
            return [Finding(NAME, False, str(error), "Run `breakwall db upgrade`.")]
        except DatabaseUnavailableError as error:
            return [Finding(NAME, False, str(error), "Check BREAKWALL_DATABASE_URL and that it runs.")]
    there = Finding(NAME, True, f"{where(settings.database)} answers, at revision {HEAD}")
    return [there, _about(count, newest)]


def _missing(settings: Settings) -> Finding:
    if settings.embedded_database:
        return Finding(NAME, True, "embedded, made on first use")
    advice = "Run `breakwall db upgrade`, or correct BREAKWALL_DATABASE_URL."
    return Finding(NAME, False, f"{where(settings.database)} is not there", advice)


def _incidents(connection: Connection) -> tuple[int, list[str]]:
    newest = select(incidents.c.order_id, incidents.c.detail).order_by(incidents.c.id.desc()).limit(SHOWN)
    shown = [f"order {row.order_id}: {row.detail}" for row in connection.execute(newest)]
    return connection.scalar(select(func.count()).select_from(incidents)) or 0, shown


def _about(count: int, newest: list[str]) -> Finding:
    if count == 0:
        return Finding("incidents", True, "none: no order was charged twice, or after it was cancelled")
    what = f"{count:,} in the ledger; the newest: {'; '.join(newest)}"
    return Finding("incidents", False, what, "Refund them; `breakwall orders show` tells each one's story.")
