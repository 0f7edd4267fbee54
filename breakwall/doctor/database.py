"""Checks the orders database: its file, revision, encoding and rights, its site, and its open incidents."""

from contextlib import closing

from sqlalchemy import Connection, false, select

from breakwall.doctor.findings import Finding, fine, problem
from breakwall.doctor.strange_messages import set_aside
from breakwall.migrations import HEAD
from breakwall.payments.db.database import Database, DatabaseUnavailableError, SchemaError
from breakwall.payments.db.postgres import encoding_of
from breakwall.payments.db.revisions import check_schema, current_revision
from breakwall.payments.db.schema import incidents, orders
from breakwall.payments.incidents import IncidentKind
from breakwall.payments.operator.incidents import OPEN, count_open, newest_incidents
from breakwall.payments.site import read_site
from breakwall.settings import Settings
from breakwall.urls.address import where
from breakwall.urls.databases import missing_file

NAME = "database"
SHOWN = 3  # Open incidents that are listed one by one.

_LIST = "`breakwall orders incidents` lists all of them; `breakwall orders show` shows an order's history. "
_REFUND = "Refund what was charged too much. "
_TELL = "`breakwall outcomes list` shows what the shop was not told: correct its side, or tell it by hand. "
_CLOSE = "Then close each incident: `breakwall orders incidents --close NUMBER --reason TEXT`."

ENCODED_ADVICE = "Dump it, create a database with ENCODING 'UTF8', and restore the dump there."


def database(settings: Settings) -> list[Finding]:
    """The database, its site, its open incidents and its strange messages: four findings, or one problem."""
    if missing_file(settings.database):
        return [_missing(settings)]
    prepare = None if settings.embedded_database else check_schema
    with closing(Database(settings.database, prepare=prepare)) as opened:
        try:
            # On SQLite this fails if the file is read-only.
            opened.write(lambda connection: None)
            revision = current_revision(opened.engine) or ""
            if settings.embedded_database and revision < HEAD:
                return [fine(NAME, f"{where(settings.database)}: the next use migrates it")]
            opened.write(_lock_nothing)
            count, newest, kinds = opened.read(_incidents)
            site = _site(read_site(opened), settings)
            encoding = opened.read(encoding_of)
            strange = set_aside(opened)
        except SchemaError as error:
            return [problem(NAME, str(error), _advice_for(current_revision(opened.engine)))]
        except DatabaseUnavailableError as error:
            return [problem(NAME, str(error), "Check BREAKWALL_DATABASE_URL and that the database runs.")]
    return [_database(settings, revision, encoding), site, incident_finding(count, newest, kinds), strange]


def _site(name: str, settings: Settings) -> Finding:
    shown = f"{name}, on the payment account {settings.payment_account}"
    if settings.site is None:
        advice = f"Set BREAKWALL_SITE={name}, so that orders keep their keys even if the database is lost."
        return fine("site", shown, advice)
    if settings.site != name:
        detail = f"BREAKWALL_SITE is {settings.site}, but the orders database belongs to site {name}"
        return problem("site", detail, f"Set BREAKWALL_SITE={name}. Until then nothing starts.")
    return fine("site", shown)


def _database(settings: Settings, revision: str, encoding: str) -> Finding:
    if encoding != "UTF8":
        detail = f"{where(settings.database)}: its encoding is {encoding}, which cannot store every text"
        return problem(NAME, detail, ENCODED_ADVICE)
    shown = f"{where(settings.database)} answers, at revision {revision}"
    if revision < HEAD:
        return fine(NAME, f"{shown}, before this version's {HEAD}", "Run `breakwall db upgrade`.")
    if revision > HEAD:
        return fine(NAME, f"{shown}, after this version's {HEAD}", "Install the version that migrated it.")
    return fine(NAME, shown)


def _advice_for(revision: str | None) -> str:
    """What to do about a database that this version cannot use."""
    if revision is None or revision < HEAD:
        return "Run `breakwall db upgrade`."
    if revision > HEAD:
        return "Run the version that migrated it."
    return "Restore what is missing from a backup."


def _missing(settings: Settings) -> Finding:
    if settings.embedded_database:
        return fine(NAME, "embedded, made on first use")
    advice = "Run `breakwall db upgrade`, or correct BREAKWALL_DATABASE_URL."
    return problem(NAME, f"{where(settings.database)} does not exist", advice)


def _lock_nothing(connection: Connection) -> None:
    # On PostgreSQL this fails if the server is read-only, or if the tables belong to another user.
    connection.execute(select(orders.c.id).where(false()).with_for_update())


def _incidents(connection: Connection) -> tuple[int, list[str], set[str]]:
    newest = newest_incidents(connection, limit=SHOWN)
    shown = [f"incident {found.id} of order {found.order_id}: {found.detail}" for found in newest]
    kinds = set(connection.scalars(select(incidents.c.kind).where(OPEN).distinct()))
    return count_open(connection), shown, kinds


def incident_finding(count: int, newest: list[str], kinds: set[str]) -> Finding:
    """How many incidents are open, and what to do about these kinds of them."""
    if count == 0:
        return fine("incidents", "none open")
    refund = _REFUND if kinds - {IncidentKind.UNDELIVERED} else ""
    tell = _TELL if IncidentKind.UNDELIVERED in kinds else ""
    advice = f"{_LIST}{refund}{tell}{_CLOSE}"
    return problem("incidents", f"{count:,} open; the newest: {'; '.join(newest)}", advice)
