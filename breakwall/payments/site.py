"""The site's name. It keeps the site's orders and keys apart from those of other sites on one payment account."""

from sqlalchemy import Connection, Engine, select

from breakwall.payments.db.database import Database, SchemaError
from breakwall.payments.db.lock_timeouts import LockBudget
from breakwall.payments.db.schema import site
from breakwall.payments.db.sqlite import READ_ONLY


def read_site(database: Database, lock_budget: LockBudget | None = None) -> str:
    """The name that a migration gave the site."""
    return database.read(_name, lock_budget=lock_budget)


def check_site(engine: Engine, wanted: str | None) -> str:
    """The name of the database's site. If the settings ask for another one, raise `SchemaError`."""
    with engine.connect().execution_options(**READ_ONLY) as connection:
        kept = _name(connection)
    if wanted is not None and kept != wanted:
        raise SchemaError(
            f"BREAKWALL_SITE is {wanted!r}, but the orders database belongs to the site {kept!r}: with another name "
            "the same order would be charged under another key. Set the database's name, or unset BREAKWALL_SITE"
        )
    return kept


def _name(connection: Connection) -> str:
    name: str | None = connection.scalars(select(site.c.name)).one_or_none()
    if name is None:
        raise SchemaError(
            "the orders database has lost the name of its site, from which keys are derived: restore the table `site` "
            "from a backup, or insert the value of BREAKWALL_SITE"
        )
    return name
