"""From revision 0009 on, the triggers of an older database write to its own tables, too."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, text

from breakwall.migrations import HEAD
from breakwall.payments.db.database import open_engine
from breakwall.payments.db.end_trigger import FUNCTION as KEEP_END
from breakwall.payments.db.migrate import upgrade
from breakwall.payments.db.outcome_trigger import FUNCTION as WRITE_OUTCOME
from tests.contract.migrations.older_versions import add_order, migrate_to

# As the revisions 0007 and 0008 made them.
_WRITTEN = "INSERT INTO outcomes (order_id, status, retry_count, at) VALUES (NEW.id, NEW.status, 0, now());"
_KEPT = (
    "INSERT INTO earlier_ends (order_id, status, amount, currency, settled_at, attempt_count, retry_count, "
    "deferral_count, look_up_count) VALUES (OLD.id, OLD.status, 1, 'KRW', now(), 0, 0, 0, 0);"
)
OLD_FUNCTIONS = (
    f"CREATE OR REPLACE FUNCTION {WRITE_OUTCOME}() RETURNS trigger LANGUAGE plpgsql AS "
    f"$$ BEGIN {_WRITTEN} RETURN NULL; END $$",
    f"CREATE OR REPLACE FUNCTION {KEEP_END}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER "
    f"SET search_path FROM CURRENT AS $$ BEGIN {_KEPT} RETURN NULL; END $$",
)
DECOYS = (
    "CREATE TEMPORARY TABLE outcomes (LIKE public.outcomes INCLUDING ALL)",
    "CREATE TEMPORARY TABLE earlier_ends (LIKE public.earlier_ends INCLUDING ALL)",
)
END = "UPDATE orders SET status = 'declined', settled_at = now() + interval '1 s' WHERE id = 'o1'"


@pytest.fixture
def at_0008(postgres_url: str) -> Iterator[Engine]:
    """A database with the functions of its time, and a dead order."""
    engine = open_engine(postgres_url)
    migrate_to(engine, "0008")
    with engine.begin() as connection:
        for statement in OLD_FUNCTIONS:
            connection.exec_driver_sql(statement)
        add_order(connection, "o1", "dead")
        connection.exec_driver_sql("UPDATE orders SET settled_at = now()")
    yield engine
    engine.dispose()


def written(engine: Engine) -> tuple[int, int]:
    """How many outcomes and earlier ends an order's end has written, in a session with tables of the same names."""
    with engine.connect() as connection:
        for statement in (*DECOYS, END):
            connection.exec_driver_sql(statement)
        count = "(SELECT count(*) FROM public.{})"
        both = f"SELECT {count.format('outcomes')}, {count.format('earlier_ends')}"
        return tuple(connection.execute(text(both)).one())


def test_the_upgrade_replaces_both_functions(at_0008: Engine) -> None:
    assert written(at_0008) == (0, 0)
    assert upgrade(at_0008) == HEAD
    assert written(at_0008) == (1, 1)


def test_no_transaction_that_writes_orders_holds_up_the_upgrade(at_0008: Engine) -> None:
    with at_0008.connect() as connection:
        connection.exec_driver_sql(END)
        assert upgrade(at_0008) == HEAD
