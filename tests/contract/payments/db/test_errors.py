"""A database that does not answer, or refuses: one clear error, without a password or a part of an order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import Connection, create_engine, text

from breakwall.doctor.database import database as look_at_database
from breakwall.payments.db.database import Database, DatabaseUnavailableError
from breakwall.payments.db.migrate import upgrade
from breakwall.payments.ledger.ledger import Ledger
from breakwall.settings import load_settings
from producers import Order, OrderProducer
from tests.contract.payments.db.counter import count
from tests.servers import PostgresServer

DISK_FULL = "DO $$ BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = 'disk_full'; END $$"


def run(url: str, *statements: str) -> None:
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for statement in statements:
            connection.execute(text(statement))
    engine.dispose()


def turn_read_only(url: str) -> None:
    """Like a server that a failover has demoted."""
    run(url, f'ALTER DATABASE "{url.rsplit("/", 1)[1].split("?")[0]}" SET default_transaction_read_only = on')


@pytest.fixture
def migrated(postgres_url: str) -> str:
    with closing(Database(postgres_url)) as database:
        upgrade(database.engine)
    return postgres_url


def execute(statement: str, **values: str) -> Callable[[Connection], object]:
    return lambda connection: connection.execute(text(statement), values)


def test_a_read_only_server_takes_no_order_and_says_why(migrated: str) -> None:
    turn_read_only(migrated)
    settings = load_settings({"BREAKWALL_DATABASE_URL": migrated, "BREAKWALL_BREAKER_STORE_URL": "memory://"})
    with (
        OrderProducer.from_settings(settings) as producer,
        pytest.raises(
            DatabaseUnavailableError, match=r"cannot be used .*read-only transaction.*BREAKWALL_DATABASE_URL"
        ),
    ):
        producer.place(Order(user_id="alice", amount=100, currency="EUR", idempotency_key="cart-1"))


def test_the_doctor_sees_that_a_server_is_read_only(migrated: str) -> None:
    turn_read_only(migrated)
    (finding,) = look_at_database(load_settings({"BREAKWALL_DATABASE_URL": migrated}))
    assert not finding.ok
    assert "read-only" in finding.detail


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        pytest.param("SELECT * FROM not_there", "cannot be used", id="refused"),
        # As PostgreSQL says it; `make chaos` fills a real disk.
        pytest.param(DISK_FULL, r"no room on its disk \(could not extend file\)", id="disk-full"),
    ],
)
def test_a_statement_that_postgresql_refuses_is_an_unavailable_database(
    postgres_url: str, statement: str, told: str
) -> None:
    with closing(Database(postgres_url)) as database, pytest.raises(DatabaseUnavailableError, match=told):
        database.write(execute(statement))


@pytest.mark.parametrize(
    ("path", "told"), [("x.db", "file is not a database"), ("missing/x.db", "cannot be made|unable to open")]
)
def test_a_path_that_is_no_sqlite_database_is_an_unavailable_database(
    tmp_path: Path, path: str, told: str
) -> None:
    (tmp_path / "x.db").write_text("This is a letter to my aunt, and no database at all. " * 20)
    with (
        closing(Database(f"sqlite:///{tmp_path}/{path}")) as database,
        pytest.raises(DatabaseUnavailableError, match=told),
    ):
        database.write(execute("CREATE TABLE anything (n INTEGER)"))


def test_a_server_that_is_down_is_one_clear_error_without_the_password() -> None:
    database = Database("postgresql+psycopg://user:hunter2@127.0.0.1:1/nowhere")
    with pytest.raises(DatabaseUnavailableError) as unavailable:
        database.read(count)
    assert "BREAKWALL_DATABASE_URL" in str(unavailable.value)
    assert "hunter2" not in str(unavailable.value) + repr(database)


def test_no_error_contains_a_part_of_an_order(database_url: str) -> None:
    with closing(Database(database_url)) as database, pytest.raises(DatabaseUnavailableError) as refused:
        database.write(execute("INSERT INTO not_there VALUES (:user)", user="alice@example.org"))
    assert "alice" not in f"{refused.value} {refused.value.__cause__}"


@pytest.fixture
def of_another_encoding(postgres_server: PostgresServer, request: pytest.FixtureRequest) -> Iterator[str]:
    name = f"plain_{request.param.lower()}"
    admin = postgres_server.url("postgres")
    made = f"CREATE DATABASE {name} ENCODING '{request.param}' LOCALE 'C' TEMPLATE template0"
    run(admin, f"DROP DATABASE IF EXISTS {name}", made)
    yield postgres_server.url(name)
    run(admin, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.mark.parametrize("of_another_encoding", ["LATIN1", "SQL_ASCII"], indirect=True)
def test_a_database_of_another_encoding_says_that_it_cannot_hold_a_text(of_another_encoding: str) -> None:
    with closing(Database(of_another_encoding)) as database:
        upgrade(database.engine)
        ledger = Ledger(database, lease=15.0)
        plain = Order(user_id="alice", amount=100, currency="EUR", idempotency_key="cart-1")
        assert ledger.accept_queued([plain]).new
        # 200 characters are 600 bytes, and none of them is in Latin-1.
        long = Order(user_id="김" * 200, amount=100, currency="EUR", idempotency_key="cart-2")
        with pytest.raises(DatabaseUnavailableError, match=r"cannot hold a text.*ENCODING 'UTF8'") as refused:
            ledger.accept_queued([long])
        assert "김" not in str(refused.value)


@pytest.mark.parametrize("of_another_encoding", ["LATIN1"], indirect=True)
def test_the_doctor_names_another_encoding(of_another_encoding: str) -> None:
    with closing(Database(of_another_encoding)) as database:
        upgrade(database.engine)
    findings = look_at_database(load_settings({"BREAKWALL_DATABASE_URL": of_another_encoding}))
    (finding,) = [finding for finding in findings if finding.name == "database"]
    assert not finding.ok
    assert "LATIN1" in finding.detail
