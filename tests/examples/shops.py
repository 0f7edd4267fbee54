"""The shops of `examples` in the tests' own process, each with its own data and payment service."""

from __future__ import annotations

import importlib
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
from celery import _state

from breakwall.broker import shop_apps
from breakwall.simulator.server import Simulator
from tests import migrated
from tests.examples.customer import Customer
from tests.examples.events import SECRET, signed
from tests.source_tree import ROOT

EXAMPLES = ROOT / "examples"
ADDRESS = "http://127.0.0.1"
NO_BROKER = "redis://127.0.0.1:9/0"
"""No program listens there: orders that are queued stay in the database."""


@dataclass
class Shop:
    """One shop.

    Attributes:
        module: the one that takes the outcomes.
        restart: does what a new process of the shop does about orders without an answer.
        hear: gives the shop an event of Breakwall's that it trusts.
        table: of its orders, in its database.
    """

    customer: Customer
    payments: Simulator
    database: Path
    module: Any
    restart: Callable[[], object]
    hear: Callable[[dict[str, Any]], object]
    table: str = "orders"

    def stored(self) -> list[dict[str, Any]]:
        """The shop's own orders, the newest last."""
        return _rows(self.database, f"SELECT * FROM {self.table} ORDER BY rowid")

    def at_breakwall(self, number: str) -> dict[str, Any]:
        """The order with this number as Breakwall has it."""
        chosen = "SELECT * FROM orders WHERE idempotency_key = ?"
        (order,) = _rows(self.database.with_name("breakwall.db"), chosen, number)
        return order

    def change(self, number: str, **columns: str) -> None:
        """Change a stored order."""
        settings = ", ".join(f"{name} = ?" for name in columns)
        with closing(sqlite3.connect(self.database)) as connection, connection:
            values = (*columns.values(), number)
            connection.execute(f"UPDATE {self.table} SET {settings} WHERE number = ?", values)

    def charges(self) -> list[str]:
        """The keys of the orders that were charged, as often as they were."""
        return [str(charge.reference) for charge in self.payments.charge_book.charges()]


def _rows(file: Path, statement: str, *parameters: str) -> list[dict[str, Any]]:
    with closing(sqlite3.connect(file)) as connection:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute(statement, parameters)]


class OpenShops:
    """Opens each shop at most once, in ``folder``; Breakwall's empty database is at ``template``, or is made there."""

    def __init__(self, folder: Path, template: Path) -> None:
        self._folder, self._template = folder, template
        self._shops: dict[str, Shop] = {}
        self._closing = ExitStack()

    def named(self, name: str) -> Shop:
        """The shop in this folder of `examples`, while its payment service answers."""
        if name not in self._shops:
            self._shops[name] = self._open(name)
        self._shops[name].payments.change({}, replace=True)
        return self._shops[name]

    def close(self) -> None:
        self._closing.close()

    def _open(self, name: str) -> Shop:
        folder = self._folder / name
        folder.mkdir()
        migrated.copy_to(folder / "breakwall.db", self._template)
        options: Any = {
            "host": "127.0.0.1",
            "port": 0,
            "control_port": 0,
            "charge_book": folder / "charges.db",
        }
        simulator = Simulator(**options)
        self._closing.callback(simulator.close)
        with pytest.MonkeyPatch.context() as patch, importable(EXAMPLES / name):
            for variable, value in _variables(folder, simulator.url).items():
                patch.setenv(variable, value)
            return OPENING[name](folder / "shop.db", simulator, self._closing)


def _variables(folder: Path, payment_url: str) -> dict[str, str]:
    return {
        "BREAKWALL_DATA_DIR": str(folder),
        "BREAKWALL_PAYMENT_URL": payment_url,
        "BREAKWALL_PLACE__WAIT": "30",  # Seconds; the machine may be busy.
        "BREAKWALL_BREAKER__FAILURE_THRESHOLD": "10000",  # No test's failures open the circuit of the next one.
        "SHOP_DATABASE_URL": f"sqlite:///{folder / 'shop.db'}",
        "SHOP_DATABASE_FILE": str(folder / "shop.db"),
        "SHOP_WEBHOOK_SECRET": SECRET,
        "SHOP_SECRET_KEY": "of-the-tests",
        "SHOP_BROKER_URL": NO_BROKER,
        "DJANGO_SETTINGS_MODULE": "settings",
    }


@contextmanager
def importable(folder: Path) -> Iterator[None]:
    """Its modules can be imported. Afterwards they have no names: other examples have modules of the same names."""
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        for name, module in list(sys.modules.items()):
            if str(getattr(module, "__file__", None)).startswith(f"{folder}/"):
                del sys.modules[name]


def _open_fastapi(database: Path, payments: Simulator, closing: ExitStack) -> Shop:
    from starlette.testclient import TestClient

    shop, orders = _modules("fastapi_shop", "orders")
    client = closing.enter_context(TestClient(shop.app, base_url=ADDRESS, follow_redirects=False))

    def restart() -> None:
        assert client.portal is not None
        client.portal.call(shop.charge_unanswered, shop.app.state.producer)

    return Shop(Customer(client), payments, database, shop, restart, orders.hear)


def _open_django(database: Path, payments: Simulator, closing: ExitStack) -> Shop:
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", run_syncdb=True, verbosity=0)
    wsgi, views = _modules("shop.wsgi", "shop.views")
    closing.callback(views.producer().close)
    customer = Customer(_client(wsgi.application))
    customer.client.get("/")  # Django imports the addresses at the first request.

    def hear(event: dict[str, Any]) -> None:
        body, headers = signed(event)
        assert customer.client.post("/hooks/breakwall", content=body, headers=headers).status_code == 204

    return Shop(customer, payments, database, views, views.charge_unanswered, hear, "shop_shoporder")


def _open_flask(database: Path, payments: Simulator, closing: ExitStack) -> Shop:
    shop, orders = _modules("flask_shop", "orders")
    closing.callback(shop.producer.close)
    return Shop(Customer(_client(shop.app)), payments, database, shop, shop.charge_unanswered, orders.hear)


def _open_celery_app(database: Path, payments: Simulator, closing: ExitStack) -> Shop:
    current = _state._tls.current_app
    pages, tasks = _modules("pages", "tasks")
    _state._tls.current_app = current  # Other tests have apps of their own, and are not told of this one.
    shop_apps._apps.discard(tasks.app)
    closing.callback(pages.producer.close)
    return Shop(Customer(_client(pages.app)), payments, database, tasks, pages.charge_unanswered, tasks.hear)


def _modules(*names: str) -> list[Any]:
    return [importlib.import_module(name) for name in names]


def _client(application: Any) -> httpx2.Client:
    return httpx2.Client(transport=httpx2.WSGITransport(app=application), base_url=ADDRESS)


OPENING = {
    "fastapi": _open_fastapi,
    "django": _open_django,
    "flask": _open_flask,
    "celery_app": _open_celery_app,
}
