"""What a rolled fleet does to a database: the version after migrates it, or it is taken back."""

from __future__ import annotations

from sqlalchemy import text

from breakwall.payments.db.downgrade import downgrade
from breakwall.payments.db.revisions import AFTER
from tests.contract.site import Site

MADE_UP = (
    "CREATE TABLE outbox (id INTEGER PRIMARY KEY, order_id VARCHAR(32) NOT NULL REFERENCES orders (id))",
    "ALTER TABLE orders ADD COLUMN description VARCHAR(500)",
    "ALTER TABLE attempts ADD COLUMN amount BIGINT DEFAULT 0",
    f"UPDATE alembic_version SET version_num = '{AFTER}'",
)
"""What a version after this one may do: `CONTRIBUTING.md` has the rules."""


def go_ahead(site: Site) -> None:
    """Migrate to a made-up version after this one."""
    with site.database.engine.begin() as connection:
        for statement in MADE_UP:
            connection.execute(text(statement))


def go_back(site: Site) -> None:
    downgrade(site.database.engine)


def stand_at(site: Site, revision: str) -> None:
    with site.database.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = :to"), {"to": revision})
