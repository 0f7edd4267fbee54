"""A trigger writes to the table beside `orders`, and never stops an order's change: whoever makes it, anywhere."""

from __future__ import annotations

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import ProgrammingError

from breakwall.payments.db.end_trigger import FUNCTION as KEEP_END
from breakwall.payments.db.outcome_trigger import FUNCTION as WRITE_OUTCOME
from tests.contract.people import dead
from tests.contract.site import Site

OTHER_ROLE = (
    "CREATE ROLE clerk",
    "GRANT SELECT, UPDATE ON orders TO clerk",
    "SET LOCAL ROLE clerk",
)
OTHER_SCHEMA = (
    "CREATE SCHEMA decoy",
    "CREATE TABLE decoy.{table} (LIKE public.{table} INCLUDING ALL)",
    "SET LOCAL search_path TO decoy, public",
)
TEMPORARY_TABLE = ("CREATE TEMPORARY TABLE {table} (LIKE public.{table} INCLUDING ALL)",)
NO_SCHEMA = ("SET LOCAL search_path TO pg_catalog",)
SESSIONS = {
    "of a role without a right to the table": OTHER_ROLE,
    "that looks in another schema first": OTHER_SCHEMA,
    "that has a temporary table of the same name": TEMPORARY_TABLE,
    "that looks in no schema of ours": NO_SCHEMA,
}

WAIT = "status = 'queued', settled_at = NULL, next_attempt_at = now(), dispatch_at = now()"
PAY = "status = 'paid', charge_id = 'ch_1', settled_at = now()"


@pytest.fixture
def site(migrated_postgres_url: str) -> Site:
    return Site(migrated_postgres_url)


def rows_after(connection: Connection, session: tuple[str, ...], change: str, table: str) -> list[str]:
    """The states in a table's rows of the one order, the oldest first."""
    change = f"UPDATE public.orders SET {change}"
    for statement in (*session, change, "RESET ROLE"):
        connection.exec_driver_sql(statement.format(table=table))
    return list(connection.scalars(text(f"SELECT status FROM public.{table} ORDER BY id")))


@pytest.mark.parametrize("session", SESSIONS.values(), ids=SESSIONS)
class TestInASession:
    """Of a process of the version before, whose role got its rights before the table existed; or of a person."""

    def test_the_end_that_an_order_leaves_is_kept(self, site: Site, session: tuple[str, ...]) -> None:
        dead(site, "cart-1")
        with site.database.engine.connect() as connection:  # Rolled back, with the role.
            assert rows_after(connection, session, WAIT, "earlier_ends") == ["dead"]

    def test_the_end_that_an_order_comes_to_is_told(self, site: Site, session: tuple[str, ...]) -> None:
        dead(site, "cart-1")
        with site.database.engine.connect() as connection:
            assert rows_after(connection, session, PAY, "outcomes") == ["dead", "paid"]


@pytest.mark.parametrize("function", [WRITE_OUTCOME, KEEP_END])
def test_no_other_role_makes_the_function_write_for_a_table_of_its_own(site: Site, function: str) -> None:
    """It has the rights of its owner: an outcome that is no order's would be told to the shop."""
    with site.database.engine.connect() as connection:  # Rolled back, with the role.
        for statement in (
            "CREATE ROLE clerk",
            "SET LOCAL ROLE clerk",
            "CREATE TEMPORARY TABLE own (id text)",
        ):
            connection.exec_driver_sql(statement)
        with pytest.raises(ProgrammingError, match="permission denied for function"):
            connection.exec_driver_sql(
                f"CREATE TRIGGER own AFTER INSERT ON own FOR EACH ROW EXECUTE FUNCTION public.{function}()"
            )
