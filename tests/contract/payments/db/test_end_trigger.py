"""The trigger never stops the change of an order: whoever makes it, and wherever their session looks for tables."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from breakwall.payments.db.operator_tables import earlier_ends
from tests.contract.people import dead
from tests.contract.site import Site

OTHER_ROLE = (
    "CREATE ROLE clerk",
    "GRANT SELECT, UPDATE ON orders TO clerk",
    "SET LOCAL ROLE clerk",
)
OTHER_PATH = ("SET LOCAL search_path TO pg_catalog",)
LEAVE = "UPDATE public.orders SET status = 'queued', settled_at = NULL, next_attempt_at = now(), dispatch_at = now()"


@pytest.fixture
def site(migrated_postgres_url: str) -> Site:
    return Site(migrated_postgres_url)


@pytest.mark.parametrize(
    "session", [OTHER_ROLE, OTHER_PATH], ids=["without a right to the new table", "with another path"]
)
def test_an_order_leaves_its_end_in_any_session(site: Site, session: tuple[str, ...]) -> None:
    """A process of the version before, whose role was given its rights before the table existed; or a person."""
    [order_id] = dead(site, "cart-1")
    with site.database.engine.connect() as connection:  # Rolled back, with the role.
        for statement in (*session, LEAVE, "RESET ROLE", "RESET search_path"):
            connection.exec_driver_sql(statement)
        assert list(connection.scalars(select(earlier_ends.c.order_id))) == [order_id]
