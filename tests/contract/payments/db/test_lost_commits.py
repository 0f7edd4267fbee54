"""A commit whose connection was lost may have happened: it is never tried again behind the caller's back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest
from sqlalchemy import Connection, make_url, text

from breakwall.payments.db.database import Database, DatabaseUnavailableError
from breakwall.payments.db.migrate import upgrade
from breakwall.payments.ledger.ledger import Ledger
from breakwall.payments.ledger.queries import list_orders
from tests.contract.site import order
from tests.servers.relay import Relay

arriving = pytest.mark.parametrize("arrives", [True, False], ids=["committed", "not-committed"])


@pytest.fixture
def relay(postgres_url: str) -> Iterator[Relay]:
    port = make_url(postgres_url).port
    assert port is not None
    relay = Relay(port)
    yield relay
    relay.close()


@pytest.fixture
def database(relay: Relay, postgres_url: str) -> Iterator[Database]:
    through_it = make_url(postgres_url).set(port=relay.port)
    with closing(Database(through_it.render_as_string(hide_password=False))) as database:
        upgrade(database.engine)
        database.write(lambda connection: connection.execute(text("CREATE TABLE counter AS SELECT 0 AS n")))
        yield database


def increment(connection: Connection) -> None:
    connection.execute(text("UPDATE counter SET n = n + 1"))


@arriving
def test_a_transaction_whose_commit_is_lost_is_done_once_at_most(
    database: Database, relay: Relay, arrives: bool
) -> None:
    relay.cut_next_commit(arrives=arrives)
    with pytest.raises(DatabaseUnavailableError, match="may have happened or not"):
        database.write(increment, name="test")
    assert not relay.is_armed
    assert database.read(lambda connection: connection.scalar(text("SELECT n FROM counter"))) == int(arrives)


@arriving
def test_an_order_whose_commit_is_lost_is_not_accepted_until_it_is_handed_in_again(
    database: Database, relay: Relay, arrives: bool
) -> None:
    ledger = Ledger(database, lease=15.0)
    relay.cut_next_commit(arrives=arrives)
    with pytest.raises(DatabaseUnavailableError, match="the same idempotency key, is safe"):
        ledger.accept_queued([order()])
    again = ledger.accept_queued([order()])
    assert (len(again.known), len(again.new)) == (int(arrives), int(not arrives))
    assert len(list_orders(database)) == 1


def test_a_connection_that_is_lost_before_the_commit_is_opened_again(
    database: Database, postgres_url: str
) -> None:
    """Nothing can have happened yet, so nobody needs to hear of it."""
    struck: list[int] = []

    def work(connection: Connection) -> None:
        if not struck:
            struck.append(connection.scalar(text("SELECT pg_backend_pid()")) or 0)
            with closing(Database(postgres_url)) as other:
                other.write(
                    lambda admin: admin.scalar(text(f"SELECT pg_terminate_backend({struck[0]}, 5000)"))
                )
        increment(connection)

    database.write(work, name="test")
    assert database.read(lambda connection: connection.scalar(text("SELECT n FROM counter"))) == 1
