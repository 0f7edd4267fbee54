"""PgBouncer in transaction mode: each transaction may get another server, which other clients have used before."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import Connection, text

from breakwall.breaker import store_from_url
from breakwall.doctor.database import database as look_at_database
from breakwall.payments.db.database import Database, DatabaseUnavailableError
from breakwall.payments.db.migrate import upgrade
from breakwall.payments.db.postgres import TIMEOUTS
from breakwall.payments.db.revisions import current_revision
from breakwall.payments.ledger.queries import list_orders
from breakwall.settings import load_settings
from tests.contract.site import order
from tests.pooled import PooledShop
from tests.servers import PgBouncerServer, PostgresServer

REPOSITORY = Path(__file__).parents[4]


@pytest.fixture(scope="module")
def _migrated(_pgbouncer: PgBouncerServer, _postgres: PostgresServer) -> str:
    _postgres.ensure_running()
    _pgbouncer.ensure_running()
    url = _pgbouncer.before(_postgres.fresh_url())
    with closing(Database(url)) as database:
        upgrade(database.engine)
    return url


@pytest.fixture
def migrated(_migrated: str, pgbouncer_server: PgBouncerServer) -> str:
    """One for all tests of this module, migrated through the pooler, which is up and answering."""
    return _migrated


@pytest.fixture
def shop(migrated: str) -> Iterator[PooledShop]:
    shop = PooledShop(migrated)
    yield shop
    shop.close()


def show(name: str) -> Callable[[Connection], str]:
    return lambda connection: str(connection.scalar(text(f"SHOW {name}")))


def milliseconds(name: str) -> Callable[[Connection], int]:
    setting = text("SELECT setting FROM pg_settings WHERE name = :name")
    return lambda connection: int(connection.scalar(setting, {"name": name}) or 0)


def without_sqlalchemy(url: str) -> str:
    return url.replace("+psycopg", "")


def test_another_clients_prepared_statement_is_never_met(migrated: str) -> None:
    """25 of 100 orders met an error. Here twelve threads of two processes share three server connections."""
    command = [sys.executable, "-m", "tests.pooled", migrated]
    processes = [
        subprocess.Popen([*command, name], stdout=subprocess.PIPE, cwd=REPOSITORY) for name in ("a", "b")
    ]
    results = [json.loads(process.communicate(timeout=120)[0]) for process in processes]
    assert results == [["paid"] * 50] * 2
    with closing(Database(migrated)) as database:
        assert Counter(stored.status for stored in list_orders(database, limit=200)) == {"paid": 100}


@pytest.mark.parametrize("name", TIMEOUTS)
def test_our_timeouts_hold_in_each_transaction_and_for_no_other_client(migrated: str, name: str) -> None:
    with closing(Database(migrated)) as database:
        # The lock timeout is shorter by the time that connecting took.
        assert 0 < database.write(milliseconds(name)) <= TIMEOUTS[name]
        assert 0 < database.read(milliseconds(name)) <= TIMEOUTS[name]
    with psycopg.connect(without_sqlalchemy(migrated), autocommit=True, prepare_threshold=None) as other:
        assert other.execute(f"SHOW {name}").fetchone() == ("0",)


@pytest.mark.parametrize(("theirs", "holds"), [("2s", "2s"), ("2min", "30s")])
def test_a_shorter_timeout_of_the_administrator_holds(
    pgbouncer_server: PgBouncerServer, postgres_url: str, theirs: str, holds: str
) -> None:
    with psycopg.connect(without_sqlalchemy(postgres_url), autocommit=True) as admin:
        admin.execute(f"ALTER DATABASE {postgres_url.rpartition('/')[2]} SET statement_timeout = '{theirs}'")
    for url in (postgres_url, pgbouncer_server.before(postgres_url)):
        with closing(Database(url)) as database:
            assert database.read(show("statement_timeout")) == holds


def test_settings_that_another_client_left_in_the_session_change_no_timeout(pooled_url: str) -> None:
    clients = [psycopg.connect(without_sqlalchemy(pooled_url), autocommit=True) for _ in range(3)]
    for client in clients:
        client.execute("SET statement_timeout = '1s'; BEGIN")  # Held, so that each has a server of its own.
    for client in clients:
        client.execute("COMMIT")
        client.close()
    with closing(Database(pooled_url)) as database:
        assert database.read(show("statement_timeout")) == "30s"


def test_a_circuit_can_be_stored_through_it(migrated: str) -> None:
    store = store_from_url(migrated)
    for n in range(20):
        assert store.swap("another", str(n or ""), str(n + 1), "{}")[0]
    assert store.load("another").version == "20"
    store.close()


def test_several_upgrades_at_once_all_succeed_through_it(pooled_url: str) -> None:
    databases = [Database(pooled_url) for _ in range(5)]
    with ThreadPoolExecutor(5) as threads:
        revisions = set(threads.map(lambda database: upgrade(database.engine), databases))
    assert revisions == {current_revision(databases[0].engine)}
    for database in databases:
        database.close()


def test_the_doctor_finds_the_database_behind_it(migrated: str) -> None:
    findings = look_at_database(load_settings({"BREAKWALL_DATABASE_URL": migrated}))
    assert [finding.ok for finding in findings] == [True] * len(findings)


def test_its_statement_mode_is_refused_with_what_to_set(pgbouncer_server: PgBouncerServer) -> None:
    with closing(Database(pgbouncer_server.url("statements"))) as database:
        told = "Set PgBouncer's pool_mode to transaction"
        with pytest.raises(DatabaseUnavailableError, match=told):
            database.read(show("server_version"))


def test_a_restart_of_the_pooler_is_not_noticed(shop: PooledShop, pgbouncer_server: PgBouncerServer) -> None:
    assert shop.place("at-first") == "paid"
    pgbouncer_server.restart()
    assert shop.place("after-the-restart") == "paid"


def test_an_order_is_placed_again_once_postgresql_behind_it_is_back(
    shop: PooledShop, pgbouncer_server: PgBouncerServer, postgres_server: PostgresServer
) -> None:
    assert shop.place("before-the-failover") == "paid"
    postgres_server.kill()
    for _ in range(2):
        with pytest.raises(DatabaseUnavailableError):
            shop.producer.enqueue([order("cart-2")])
    postgres_server.start()
    assert _placed_soon(shop, "cart-2") == "paid"


def _placed_soon(shop: PooledShop, key: str) -> str:
    # The pooler tries a server that has refused it once a second, and refuses its clients at once meanwhile.
    deadline = time.monotonic() + 60
    while True:
        try:
            return shop.place(key)
        except DatabaseUnavailableError:
            assert time.monotonic() < deadline, "PostgreSQL does not come back"
            time.sleep(0.1)
