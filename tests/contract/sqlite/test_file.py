"""SQLite's file is taken away, or changed for another, while it is in use; or somebody else holds its lock."""

from __future__ import annotations

import os
import shutil
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError

from breakwall.breaker import store_from_url
from breakwall.payments.db.database import BUSY_SECONDS, Database, DatabaseUnavailableError, SchemaError
from breakwall.payments.db.migrate import check_schema, prepare_home, upgrade
from breakwall.payments.ledger.ledger import Ledger
from breakwall.payments.ledger.queries import list_orders
from breakwall.payments.site import read_site
from breakwall.settings import load_settings
from breakwall.wiring import open_database
from tests.contract.site import Site, order
from tests.gateway import PAID
from tests.stopwatch import timed


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "orders.db"


@pytest.fixture
def database(file: Path) -> Iterator[Database]:
    with closing(Database(f"sqlite:///{file}")) as made:
        upgrade(made.engine)
    with closing(Database(f"sqlite:///{file}", prepare=check_schema)) as database:
        yield database


@pytest.fixture
def ledger(database: Database) -> Ledger:
    ledger = Ledger(database, lease=15.0)
    ledger.accept_queued([order("at-first")])
    return ledger


def remove(file: Path) -> None:
    for name in file.parent.glob(f"{file.name}*"):
        name.unlink()


def move(file: Path, folder: str) -> Path:
    """The database with the files beside it, as `docs/operations.md` has it."""
    (file.parent / folder).mkdir()
    for name in file.parent.glob(f"{file.name}*"):
        name.rename(file.parent / folder / name.name)
    return file.parent / folder / file.name


def put_back(moved: Path, file: Path) -> None:
    for name in moved.parent.iterdir():
        name.rename(file.parent / name.name)


def keys(file: Path) -> list[str]:
    with closing(Database(f"sqlite:///{file}")) as database:
        return [stored.idempotency_key for stored in list_orders(database)]


def test_nothing_is_accepted_into_a_file_that_was_removed(ledger: Ledger, file: Path) -> None:
    remove(file)
    for _ in range(2):
        with pytest.raises(DatabaseUnavailableError, match=rf"{file}.*was removed while it was in use"):
            ledger.accept_queued([order("cart-1")])
    assert not file.exists()


@pytest.mark.parametrize("ending", ["", "-wal", "-shm"])
def test_one_that_is_removed_before_the_commit_is_noticed_after_it(
    ledger: Ledger, database: Database, file: Path, ending: str
) -> None:
    told = rf"{file}{ending} was removed.*the same idempotency key, is safe"
    with pytest.raises(DatabaseUnavailableError, match=told):
        database.write(lambda connection: Path(f"{file}{ending}").unlink())


def test_it_goes_on_by_itself_once_the_file_is_back(ledger: Ledger, file: Path) -> None:
    moved = move(file, "away")
    with pytest.raises(DatabaseUnavailableError):
        ledger.accept_queued([order("cart-1")])
    put_back(moved, file)
    ledger.accept_queued([order("cart-1")])
    assert set(keys(file)) == {"at-first", "cart-1"}


def test_it_goes_on_in_a_copy_that_is_put_in_its_place(ledger: Ledger, file: Path) -> None:
    backup = file.parent / "backup.db"
    with closing(sqlite3.connect(file)) as connection:
        connection.execute(f"VACUUM INTO '{backup}'")
    move(file, "old")
    shutil.copy(backup, file)
    ledger.accept_queued([order("cart-1")])
    assert set(keys(file)) == {"at-first", "cart-1"}
    assert keys(file.parent / "old" / file.name) == ["at-first"]


def test_one_that_was_never_migrated_is_refused_in_its_place(ledger: Ledger, file: Path) -> None:
    move(file, "old")
    file.touch()
    with pytest.raises(SchemaError, match="run `breakwall db upgrade`"):
        ledger.accept_queued([order("cart-1")])


def test_orders_get_ids_of_the_site_whose_database_is_there_now(ledger: Ledger, file: Path) -> None:
    before = ledger.site
    move(file, "old")
    with closing(Database(f"sqlite:///{file}")) as other:
        upgrade(other.engine, site="another")
        assert read_site(other) == "another"
    ledger.accept_queued([order("cart-1")])
    assert (before != "another", ledger.site) == (True, "another")


def test_the_embedded_database_is_made_anew(tmp_path: Path) -> None:
    home = tmp_path / "home"
    url = f"sqlite:///{home}/breakwall.db"
    prepare = lambda engine: prepare_home(home, engine)  # noqa: E731
    with closing(Database(url, prepare=prepare, makes_file=True)) as database:
        ledger = Ledger(database, lease=15.0)
        ledger.accept_queued([order("at-first")])
        shutil.rmtree(home)
        ledger.accept_queued([order("cart-1")])
    assert keys(home / "breakwall.db") == ["cart-1"]


def test_one_that_is_made_anew_under_a_process_is_of_the_same_site_and_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """An order that is placed again is then the same request: with another site it would be charged again."""
    with closing(open_database(load_settings({"BREAKWALL_DATA_DIR": str(tmp_path / "home")}))) as database:
        before = read_site(database)
        shutil.rmtree(tmp_path / "home")
        assert read_site(database) == before
    assert "was removed or replaced while in use" in caplog.text


def test_a_circuits_store_goes_on_in_a_file_of_its_own_that_was_removed(file: Path) -> None:
    store, other = (store_from_url(f"sqlite:///{file}") for _ in range(2))
    assert store.swap("payment", "", "1", "{}")[0]
    remove(file)
    assert store.load("payment").version == ""
    assert store.swap("payment", "", "2", "{}")[0]
    assert other.load("payment").version == "2"
    store.close()
    other.close()


def test_a_circuits_store_makes_no_file_where_somebody_elses_database_was(
    database: Database, file: Path
) -> None:
    with closing(store_from_url(f"sqlite:///{file}")) as store:
        assert store.swap("payment", "", "1", "{}")[0]
        moved = move(file, "away")
        with pytest.raises(OperationalError):
            store.load("payment")
        assert not file.exists()
        put_back(moved, file)
        assert store.load("payment").version == "1"


@contextmanager
def locked(file: Path, begin: str = "BEGIN IMMEDIATE") -> Iterator[None]:
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute(begin)
        yield


@pytest.fixture
def shop(sqlite_url: str) -> Iterator[Site]:
    site = Site(sqlite_url)
    yield site
    site.producer.close()


def test_a_place_waits_once_for_a_lock_however_many_transactions_it_takes(shop: Site) -> None:
    """A database that was locked for 12 s made it 15 s: each of its transactions waited 5."""
    file = Path(shop.database.engine.url.database or "")
    shop.gateway.answers.append(PAID)
    first, held, over = threading.Event(), threading.Event(), threading.Event()

    def hold() -> None:
        with locked(file):
            first.set()
            time.sleep(3.0)
        held.wait(30)
        with locked(file):
            first.set()
            over.wait(30)

    def during() -> None:
        first.clear()
        held.set()
        first.wait(30)

    shop.gateway.during = during
    holder = threading.Thread(target=hold)
    holder.start()
    first.wait(30)
    result, seconds = timed(lambda: shop.producer.place(order()))
    over.set()
    holder.join()
    # It was charged, so it is not said to be refused.
    assert result.status == "in_flight"
    assert seconds < BUSY_SECONDS + 1.5


def test_an_order_that_waits_in_vain_is_not_accepted(shop: Site) -> None:
    file = Path(shop.database.engine.url.database or "")
    with locked(file), pytest.raises(DatabaseUnavailableError, match="database is locked"):
        shop.producer.place(order())
    assert shop.gateway.charged == []
    shop.gateway.answers.append(replace(PAID, charge_id="ch_2"))
    assert shop.producer.place(order()).status == "paid"


@contextmanager
def umask(value: int) -> Iterator[None]:
    before = os.umask(value)
    try:
        yield
    finally:
        os.umask(before)


def rights(path: Path) -> int:
    return path.stat().st_mode & 0o777


@pytest.mark.parametrize("value", [0o000, 0o022, 0o077])
@pytest.mark.parametrize(
    "use",
    [
        pytest.param(lambda url: upgrade(Database(url).engine), id="orders"),
        pytest.param(lambda url: store_from_url(url).swap("payment", "", "1", "{}"), id="breaker-store"),
    ],
)
def test_only_the_owner_may_read_its_files_whatever_the_umask(
    file: Path, value: int, use: Callable[[str], object]
) -> None:
    with umask(value):
        use(f"sqlite:///{file}")
        made = {name.name: rights(name) for name in file.parent.glob(f"{file.name}*")}
    assert {"orders.db", "orders.db-wal", "orders.db-shm"} <= made.keys()
    assert set(made.values()) == {0o600}


def test_the_rights_of_a_file_that_is_there_are_its_owners_choice(file: Path) -> None:
    file.touch()
    file.chmod(0o640)
    with closing(Database(f"sqlite:///{file}")) as database:
        upgrade(database.engine)
        assert rights(file) == 0o640
