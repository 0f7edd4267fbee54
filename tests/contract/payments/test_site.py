"""The site's name, from which orders' ids and keys are derived. On both databases."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from unittest import mock

import pytest
from typer.testing import CliRunner

from breakwall.cli.app import app
from breakwall.payments.db.database import Database, SchemaError
from breakwall.payments.db.migrate import upgrade
from breakwall.payments.keys import derive_charge_key, derive_order_id
from breakwall.payments.ledger.ledger import Ledger
from breakwall.payments.ledger.queries import OrderNotFoundError
from breakwall.payments.orders import Order
from breakwall.payments.site import read_site
from breakwall.settings import Settings, load_settings
from breakwall.wiring import open_database
from producers import OrderProducer
from tests.contract.site import Site, order
from tests.gateway import DOWN

CART = Order("u1", 10_000, "KRW", "cart-1")


def accepted(url: str, site: str) -> tuple[str, str]:
    """The id and the key of one order at a new site."""
    with closing(Database(url)) as database:
        upgrade(database.engine, site=site)
        ledger = Ledger(database, lease=15.0)
        (order_id,) = ledger.accept_queued([CART]).new.values()
        request = ledger.claim(order_id)
        return order_id, "" if request is None else request.request.idempotency_key


@pytest.fixture
def configure(database_url: str, tmp_path: Path) -> Callable[..., Settings]:
    def settings(**chosen: str) -> Settings:
        environ = {"DATABASE_URL": database_url, "DATA_DIR": str(tmp_path / "home"), **chosen}
        return load_settings({f"BREAKWALL_{name}": value for name, value in environ.items()})

    return settings


@pytest.fixture
def shop_1(database_url: str) -> Iterator[Database]:
    """The orders database of the site shop-1."""
    with closing(Database(database_url)) as database:
        upgrade(database.engine, site="shop-1")
        yield database


class TestTheName:
    def test_is_made_at_the_first_upgrade_and_kept(self, database_url: str) -> None:
        with closing(Database(database_url)) as database:
            upgrade(database.engine)
            made = read_site(database)
            upgrade(database.engine, site="another")
            assert read_site(database) == made
        assert len(made) == 16

    def test_is_the_one_that_is_set_at_the_first_upgrade(self, shop_1: Database) -> None:
        assert read_site(shop_1) == "shop-1"

    def test_is_another_one_for_each_site(self, sqlite_url: str, postgres_url: str) -> None:
        names = set()
        for url in (sqlite_url, postgres_url):
            with closing(Database(url)) as database:
                upgrade(database.engine)
                names.add(read_site(database))
        assert len(names) == 2


class TestAnotherNameThanTheDatabases:
    WORDS = r"BREAKWALL_SITE is 'shop-2', but the orders database belongs to the site 'shop-1'.*another key"

    def test_is_refused_when_the_database_is_opened(
        self, shop_1: Database, configure: Callable[..., Settings]
    ) -> None:
        with (
            closing(open_database(configure(SITE="shop-2"))) as database,
            pytest.raises(SchemaError, match=self.WORDS),
        ):
            database.read(lambda connection: None)

    def test_is_refused_by_a_producer_which_accepts_nothing(
        self, shop_1: Database, configure: Callable[..., Settings]
    ) -> None:
        with OrderProducer.from_settings(configure(SITE="shop-2")) as producer:
            with pytest.raises(SchemaError, match=self.WORDS):
                producer.place(CART)
            with pytest.raises(SchemaError, match=self.WORDS):
                producer.enqueue([CART])
        with (
            OrderProducer.from_settings(configure(SITE="shop-1")) as producer,
            pytest.raises(OrderNotFoundError),
        ):
            producer.get("cart-1")

    @pytest.mark.parametrize("line", [["worker"], ["db", "upgrade"], ["orders", "list"]])
    def test_is_refused_by_the_commands(self, shop_1: Database, database_url: str, line: list[str]) -> None:
        environ = {"BREAKWALL_DATABASE_URL": database_url, "BREAKWALL_SITE": "shop-2"}
        with mock.patch.dict("os.environ", environ):
            ran = CliRunner().invoke(app, line)
        assert isinstance(ran.exception, SchemaError)
        assert "'shop-1'" in str(ran.exception)
        assert "Set the database's name, or unset BREAKWALL_SITE" in str(ran.exception)

    def test_may_be_left_out(self, shop_1: Database, configure: Callable[..., Settings]) -> None:
        with closing(open_database(configure())) as database:
            assert read_site(database) == "shop-1"


class TestTwoDatabases:
    def test_of_one_site_give_the_same_order_the_same_id_and_key(
        self, sqlite_url: str, postgres_url: str
    ) -> None:
        order_id = derive_order_id("shop-1", "cart-1")
        wanted = (order_id, derive_charge_key(order_id))
        assert accepted(sqlite_url, "shop-1") == accepted(postgres_url, "shop-1") == wanted

    def test_of_two_sites_give_it_different_ones(self, sqlite_url: str, postgres_url: str) -> None:
        ours, theirs = accepted(sqlite_url, "shop-1"), accepted(postgres_url, "shop-2")
        assert ours[0] != theirs[0]
        assert ours[1] != theirs[1]


class TestTheProducersGet:
    def test_finds_an_order_by_its_id_its_key_and_the_sent_key(self, site: Site) -> None:
        site.gateway.answers.append(DOWN)
        placed = site.producer.place(order())
        found = site.producer.get("cart-1")
        assert found.id == placed.order_id
        assert (found.status, found.charge_key) == ("queued", derive_charge_key(placed.order_id))
        assert found == site.producer.get(placed.order_id) == site.producer.get(found.charge_key)

    def test_finds_no_missing_order(self, site: Site) -> None:
        with pytest.raises(OrderNotFoundError, match="nobody"):
            site.producer.get("nobody")


def test_what_get_returns_and_raises_is_exported() -> None:
    import producers

    assert producers.OrderNotFoundError is OrderNotFoundError
    assert producers.StoredOrder.__name__ == "StoredOrder"
