"""A shop with a Celery worker of its own, and Breakwall in it."""

import json
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

from celery import Celery

from tests.acceptance.shop import PaymentService, Shop
from tests.command import Terminal
from tests.integration.broker_worker import wait_until
from tests.integration.worker_fixtures import RunningWorker, running_worker
from tests.source_tree import ROOT

APP = "tests.integration.worker.shop.shop_app"


def celery_command(*arguments: str) -> list[str]:
    """A command of the shop's Celery."""
    return [sys.executable, "-m", "celery", "-A", APP, *arguments]


class CeleryShop:
    """Places orders, and sends tasks of its own, on one broker."""

    def __init__(self, terminal: Terminal, service: PaymentService, broker: str, database: str) -> None:
        self.terminal = terminal
        self.service = service
        terminal.set(PAYMENT_URL=service.url, DATABASE_URL=database, BREAKER__RECOVERY_TIMEOUT="1")
        terminal.environ |= {"SHOP_BROKER": broker, "PYTHONPATH": str(ROOT)}
        producers = terminal.environ | {"BREAKWALL_BROKER_URL": broker}
        self.orders = Shop(producers, terminal.folder)
        self._app = Celery("client", broker=broker, set_as_current=False)

    def configure(self, **conf: Any) -> None:
        """Celery's settings of the shop."""
        self.terminal.environ["SHOP_CONF"] = json.dumps(conf)

    def worker(
        self, *options: str, exit_codes: Sequence[int] = (0,)
    ) -> AbstractContextManager[RunningWorker]:
        """The shop's worker, which is ready. SIGTERM ends it, unless it has ended before."""
        line = celery_command("worker", "-l", "INFO", *options)
        return running_worker(self.terminal, line, exit_codes=exit_codes)

    def greet(self, names: Sequence[str], *, held: bool = False) -> None:
        """Send a task for each name; when ``held``, it is done after `release`."""
        for name in names:
            self._app.send_task("shop.greet", [name, held], queue="shop")

    def has_begun(self, name: str) -> bool:
        """Whether this task is running, now or soon."""
        return wait_until((self.terminal.folder / f"began-{name}").exists)

    def release(self) -> None:
        """Let the tasks end that are held."""
        (self.terminal.folder / "release").touch()

    def greeted(self) -> set[str]:
        """The names of the tasks that were done."""
        return {file.name.removeprefix("greeted-") for file in self.terminal.folder.glob("greeted-*")}

    def has_greeted(self, names: Sequence[str]) -> bool:
        """Whether these tasks are done, now or soon."""
        return wait_until(lambda: self.greeted() >= set(names))

    def all_paid(self) -> bool:
        """Whether each order is paid, now or soon."""
        return wait_until(lambda: set(self.orders.statuses()) == {"paid"})

    def are_charged_once(self) -> bool:
        """Whether each order was charged exactly once."""
        return self.service.charges() == self.orders.expected_charges()

    def close(self) -> None:
        self.orders.close()
        self._app.close()
        self.service.stop()
