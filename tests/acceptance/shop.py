"""The order service's side of a site, and the payment service's, as other people's programs would be."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from breakwall.settings import load_settings
from breakwall.simulator.client import SimulatorControl
from breakwall.simulator.server import Simulator
from producers import Order, OrderProducer, PlaceResult
from tests.acceptance.nodes import ProcessContainer, breakwall
from tests.command import ShortTerminal
from tests.servers.workspace import free_port


class PaymentService:
    """A simulator process; `control` switches its faults and reads its ledger, which survives `kill`."""

    def __init__(self, folder: Path) -> None:
        self._ports = [free_port(), free_port()]
        port, control = (str(number) for number in self._ports)
        command = breakwall("simulator", "--port", port, "--control-port", control, "--ledger", "charges.db")
        environ = {k: v for k, v in os.environ.items() if not k.startswith("BREAKWALL_")}
        self._process = ProcessContainer("simulator", command, environ, folder, "Payment service on")
        self.url = f"http://127.0.0.1:{port}"
        self.control = SimulatorControl(f"http://127.0.0.1:{control}")

    def start(self) -> None:
        self._process.start()
        self._process.ready()

    def kill(self) -> None:
        """``kill -9``: connections are reset, later ones refused."""
        self._process.kill("SIGKILL")

    def stop(self) -> None:
        self._process.teardown()

    def charges(self) -> dict[str, list[tuple[int, str]]]:
        """Every successful charge by the caller's key: its amount and currency, as many as there are."""
        found: dict[str, list[tuple[int, str]]] = {}
        for entry in self.control.ledger():
            if entry["status"] == "succeeded":
                found.setdefault(entry["reference"], []).append((entry["amount"], entry["currency"]))
        return found


class PaymentServiceHere(PaymentService):
    """A simulator within this process, which saves a program's start: for tests that never kill it."""

    def __init__(self, folder: Path) -> None:
        self._simulator = Simulator(
            host="127.0.0.1", port=0, control_port=0, charge_book=folder / "charges.db"
        )
        self.url = self._simulator.url
        self.control = SimulatorControl(self._simulator.control_url)

    def start(self) -> None:
        """It runs already."""

    def kill(self) -> None:
        raise NotImplementedError("it would kill the test")

    def stop(self) -> None:
        self._simulator.close()


class Shop:
    """Places orders through the Python API, and reads them through the command line.

    Args:
        environ: the site's environment, with its settings.
        folder: where commands run.
    """

    def __init__(self, environ: Mapping[str, str], folder: Path) -> None:
        # So that a busy machine changes no outcome.
        long_timeouts = {"BREAKWALL_PLACE__WAIT": "30", "BREAKWALL_PAYMENT_TIMEOUT": "20"}
        self.environ: dict[str, str] = {**environ, **long_timeouts}
        # Within this process: some tests look at the orders until all are paid.
        self._terminal = ShortTerminal(folder)
        self._terminal.environ = self.environ
        self.placed: list[Order] = []
        self.producer = OrderProducer.from_settings(load_settings(self.environ))

    def place(self, count: int) -> Counter[str]:
        """Place so many new orders; returns how many are in which state now."""
        return Counter(self._place().status.value for _ in range(count))

    def enqueue(self, count: int) -> int:
        """Put so many new orders straight into the queue."""
        return len(self.producer.enqueue([self._new_order() for _ in range(count)]))

    def run(self, *arguments: str) -> Any:
        """Run a command with ``-o json`` and return what it printed."""
        ran = self._terminal.run(*arguments, "-o", "json")
        assert ran.code == 0, ran.err
        return ran.document

    def statuses(self) -> Counter[str]:
        """How many of the placed orders are in which state; an order that is not there counts as lost."""
        listed = self.run("orders", "list", "--limit", "10000")
        known = {order["idempotency_key"]: order["status"] for order in listed}
        return Counter(known.get(order.idempotency_key, "lost") for order in self.placed)

    def expected_charges(self) -> dict[str, list[tuple[int, str]]]:
        """What the payment service's ledger has to say when every order was charged once."""
        return {order.idempotency_key: [(order.amount, order.currency)] for order in self.placed}

    def close(self) -> None:
        self.producer.close()

    def _place(self) -> PlaceResult:
        return self.producer.place(self._new_order())

    def _new_order(self) -> Order:
        number = len(self.placed)
        order = Order(user_id="u1", amount=1000 + number, currency="KRW", idempotency_key=f"cart-{number}")
        self.placed.append(order)
        return order
