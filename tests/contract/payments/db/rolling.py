"""What happens to the database of a rolled fleet: the version after migrates it, or it is taken back."""

from __future__ import annotations

from sqlalchemy import text

from breakwall.payments.db.revisions import AFTER
from breakwall.payments.operator.downgrade import downgrade
from tests.contract.site import Site

MADE_UP = (
    "CREATE TABLE made_up (id INTEGER PRIMARY KEY, order_id VARCHAR(32) NOT NULL REFERENCES orders (id))",
    "ALTER TABLE orders ADD COLUMN made_up VARCHAR(500)",
    "ALTER TABLE attempts ADD COLUMN made_up BIGINT DEFAULT 0",
    f"UPDATE alembic_version SET version_num = '{AFTER}'",
)
"""What a version after this one may do: `CONTRIBUTING.md` has the rules."""


def go_ahead(site: Site) -> None:
    """Migrate to a made-up version after this one."""
    execute(site, *MADE_UP)


def go_back(site: Site) -> None:
    downgrade(site.database.engine)


def stand_at(site: Site, revision: str | None) -> None:
    """Let it be at a revision; None for one that was never migrated."""
    number = f"UPDATE alembic_version SET version_num = '{revision}'"
    execute(site, "DELETE FROM alembic_version" if revision is None else number)


def execute(site: Site, *statements: str) -> None:
    with site.database.engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))
