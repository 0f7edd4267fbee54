"""The site's name: what sets its orders and keys apart from those of other sites on one payment account."""

from __future__ import annotations

from sqlalchemy import Connection, Engine, select

from breakwall.payments.db.database import Database, Patience, SchemaError
from breakwall.payments.db.schema import site
from breakwall.payments.db.sqlite import BEGIN


def read_site(database: Database, patience: Patience | None = None) -> str:
    """The name that the database's first migration gave the site. Raises as `Database.read`."""
    return database.read(_name, patience=patience)


def check_site(engine: Engine, wanted: str | None) -> str:
    """The name of the database's site.

    Args:
        wanted: the name in the settings; None where they have none.

    Raises:
        SchemaError: that is another one.
    """
    with engine.connect().execution_options(**{BEGIN: "DEFERRED"}) as connection:
        kept = _name(connection)
    if wanted is not None and kept != wanted:
        raise SchemaError(
            f"BREAKWALL_SITE is {wanted!r}, the orders database is of site {kept!r}: with another name the same "
            "order would be charged under another key. Set the database's name, or leave BREAKWALL_SITE out"
        )
    return kept


def _name(connection: Connection) -> str:
    name: str | None = connection.scalars(select(site.c.name)).one_or_none()
    if name is None:
        raise SchemaError(
            "the orders database has lost the name of its site, from which keys are derived: restore the table `site` "
            "from a backup, or put the name into it that BREAKWALL_SITE had"
        )
    return name
