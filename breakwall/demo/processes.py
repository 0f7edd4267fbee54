"""The demo's processes: a payment service, customers and a worker, as a shop would run them."""

from __future__ import annotations

import random
import socket
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from breakwall.demo.acknowledgements import PromiseReader
from breakwall.demo.plan import DECLINES, LATENCY, Plan
from breakwall.host.private_files import FILE, open_private
from breakwall.processes.children import Child, ChildFailedError, end_of, python_module
from breakwall.settings import Settings, load_settings
from breakwall.simulator.client import SimulatorControl

CONCURRENCY = 10
"""Threads of the demo's worker: few, so that the backlog can be seen to drain."""


class DemoSite:
    """Three processes in a folder of their own; nothing is started yet.

    Args:
        plan: what the run is like.
        folder: where everything is kept: data, ledger, the customers' record and the logs.
        inherited: the environment to take over, but for Breakwall's own variables.

    Attributes:
        settings: what the demo's Breakwall runs with.
        control: steers the payment service.
        promises: the customers' record.
        worker: the worker of the moment.
    """

    def __init__(self, plan: Plan, folder: Path, inherited: Mapping[str, str]) -> None:
        self.plan = plan
        self.folder = folder
        port, control_port = _free_ports(2)
        self._ports = ["--port", str(port), "--control-port", str(control_port)]
        self._environment = plan.environment(inherited, folder / "data", f"http://127.0.0.1:{port}")
        self.settings: Settings = load_settings(self._environment)
        self.control = SimulatorControl(f"http://127.0.0.1:{control_port}", timeout=5.0)
        self.promises = PromiseReader(folder / "customers.jsonl")
        self._children: dict[str, Child] = {}
        self._logs_seen: dict[str, int] = {}

    @property
    def worker(self) -> Child:
        return self._children["worker"]

    @property
    def customers(self) -> Child:
        return self._children["customers"]

    @property
    def payment_service(self) -> Child:
        return self._children["payment service"]

    def start_payment_service(self) -> None:
        """Start it, or start it again over the ledger that the last one left."""
        # It charges again whenever it is asked again: that nobody is charged twice is Breakwall's doing.
        options = ["--no-deduplicate", "--seed", str(self.plan.seed), "-o", "json"]
        ledger = ["--ledger", str(self.folder / "payment-service.db")]
        command = python_module("breakwall", "simulator", *self._ports, *options, *ledger)
        self._start("payment service", command)

    def start_worker(self) -> None:
        """Start a worker, and with it the broker if none runs."""
        options = ["--concurrency", str(CONCURRENCY), "--loglevel", "INFO"]
        self._start("worker", python_module("breakwall", "worker", *options))

    def start_customers(self) -> None:
        """Let them come; they wait at the door until `open_the_door`."""
        plan = self.plan
        options = ["--orders", str(plan.orders), "--rate", str(plan.rate), "--seed", str(plan.seed)]
        self._start("customers", python_module("breakwall.demo.customers", *options))

    def open_the_door(self) -> None:
        """The customers place their orders from now on."""
        assert self.customers.process.stdin is not None  # noqa: S101 - see `_start`
        self.customers.process.stdin.write(b"go\n")
        self.customers.process.stdin.flush()

    def payment_service_ready(self) -> bool:
        """Whether it answers, and takes the usual time and declines the usual share."""
        if not self.control.healthy():
            return False
        self.control.set_faults(latency=list(LATENCY), decline_rate=DECLINES)
        return True

    def worker_ready(self) -> bool:
        """Whether the worker that was started last has said so."""
        said = self._log("worker").read_bytes()[self._logs_seen["worker"] :]
        return b" ready." in said

    def check(self) -> None:
        """Look whether anything ended that should not have.

        Raises:
            ChildFailedError: naming it, with the end of its log.
        """
        for child in self._children.values():
            if not child.running and not self._has_done_its_work(child):
                raise ChildFailedError(child.name, child.how_it_ended, end_of(self._log(child.name)))

    def kill(self, child: Child) -> None:
        """End one process with -9, on purpose: `check` does not miss it."""
        del self._children[child.name]
        child.kill()

    def close(self) -> None:
        """End everything at once: nothing of it is needed any more. The broker ends with its worker."""
        for child in self._children.values():
            child.kill()
        self._children.clear()

    def _start(self, name: str, command: list[str]) -> None:
        log = self._log(name)
        log.touch(FILE)
        self._logs_seen[name] = log.stat().st_size
        speaks = name == "customers"
        with log.open("ab") as errors, open_private(self.folder / "customers.jsonl", "ab") as record:
            self._children[name] = Child(
                name,
                command,
                environment=self._environment,
                folder=self.folder,  # the user's .env is not there
                stdin=subprocess.PIPE if speaks else subprocess.DEVNULL,
                stdout=record if speaks else errors,
                stderr=errors,
            )

    def _has_done_its_work(self, child: Child) -> bool:
        self.promises.follow()  # its last line may be newer than the last look
        return child is self._children.get("customers") and self.promises.done

    def _log(self, name: str) -> Path:
        return self.folder / f"{name.replace(' ', '-')}.log"


def _free_ports(wanted: int) -> list[int]:
    """Ports that are free now, and that the system gives to nobody as an outgoing one, also while the service
    that has them is dead: below the ranges that Linux and macOS take those from."""
    free: list[int] = []
    for port in random.sample(range(20_000, 32_000), 1000):
        with socket.socket() as probe, suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            free.append(port)
        if len(free) == wanted:
            break
    return free
