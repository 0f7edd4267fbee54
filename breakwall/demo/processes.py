"""The demo's processes: a payment service, customers and a worker, as a shop would run them."""

import random
import socket
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from breakwall.demo.acknowledgements import AcknowledgementReader
from breakwall.demo.options import DECLINE_RATE, LATENCY, DemoOptions
from breakwall.host.private_files import FILE, open_private
from breakwall.processes.child import Child, ChildFailedError, end_of, python_module
from breakwall.settings import Settings, load_settings
from breakwall.simulator.client import SimulatorControl

CONCURRENCY = 10  # Threads of the demo's worker: few, so that the drain of the backlog can be seen.


class DemoProcesses:
    """The processes, with all their files in ``folder``. None is started yet.

    Of the ``inherited`` environment they get everything but Breakwall's own variables.
    """

    def __init__(self, options: DemoOptions, folder: Path, inherited: Mapping[str, str]) -> None:
        self.options = options
        self.folder = folder
        port, control_port = _free_ports(2)
        self._ports = ["--port", str(port), "--control-port", str(control_port)]
        self._environment = options.environment(inherited, folder / "data", f"http://127.0.0.1:{port}")
        self.settings: Settings = load_settings(self._environment)
        self.control = SimulatorControl(f"http://127.0.0.1:{control_port}", timeout=5.0)
        self.acknowledgements = AcknowledgementReader(folder / "customers.jsonl")
        self._children: dict[str, Child] = {}
        self._log_sizes: dict[str, int] = {}

    def start_payment_service(self) -> None:
        """Start it. A second one continues with the ledger of the first."""
        # It charges again when it is asked again, so that only Breakwall can prevent a second charge.
        options = ["--no-deduplicate", "--seed", str(self.options.seed), "-o", "json"]
        options += ["--ledger", str(self.folder / "payment-service.db")]
        self._start("payment service", python_module("breakwall", "simulator", *self._ports, *options))

    def start_worker(self) -> None:
        """Start a worker, which starts the broker if none runs."""
        options = ["--concurrency", str(CONCURRENCY), "--loglevel", "INFO"]
        self._start("worker", python_module("breakwall", "worker", *options))

    def start_customers(self) -> None:
        """Start the customers; they wait for `release_customers`."""
        options = f"--orders {self.options.orders} --rate {self.options.rate} --seed {self.options.seed}"
        self._start("customers", python_module("breakwall.demo.customers", *options.split()))

    def release_customers(self) -> None:
        """Let the customers place their orders."""
        stdin = self._children["customers"].process.stdin
        assert stdin is not None  # noqa: S101 - see `_start`
        stdin.write(b"go\n")
        stdin.flush()

    def payment_service_ready(self) -> bool:
        """Whether it answers; if so, sets its usual latency and share of declines."""
        if not self.control.healthy():
            return False
        self.control.set_faults(latency=list(LATENCY), decline_rate=DECLINE_RATE)
        return True

    def worker_ready(self) -> bool:
        """Whether the worker that was started last has logged that it is ready."""
        return b" ready." in self._log("worker").read_bytes()[self._log_sizes["worker"] :]

    def check(self) -> None:
        """Raise `ChildFailedError`, with the end of its log, if a process has ended that should run."""
        for child in self._children.values():
            if not child.running and not self._is_done(child):
                raise ChildFailedError(child.name, child.how_it_ended, end_of(self._log(child.name)))

    def kill(self, name: str) -> int:
        """Kill a process on purpose, so that `check` no longer expects it to run; returns its id."""
        child = self._children.pop(name)
        child.kill()
        return child.pid

    def close(self) -> None:
        """Kill every process. The broker ends with its worker."""
        for child in self._children.values():
            child.kill()
        self._children.clear()

    def _start(self, name: str, command: list[str]) -> None:
        log = self._log(name)
        log.touch(FILE)
        self._log_sizes[name] = log.stat().st_size
        is_customers = name == "customers"
        with log.open("ab") as errors, open_private(self.folder / "customers.jsonl", "ab") as record:
            self._children[name] = Child(
                name,
                command,
                environment=self._environment,
                folder=self.folder,  # the user's .env is not there
                stdin=subprocess.PIPE if is_customers else subprocess.DEVNULL,
                stdout=record if is_customers else errors,
                stderr=errors,
            )

    def _is_done(self, child: Child) -> bool:
        self.acknowledgements.follow()  # its last line may be newer than the last snapshot
        return child is self._children.get("customers") and self.acknowledgements.done

    def _log(self, name: str) -> Path:
        return self.folder / f"{name.replace(' ', '-')}.log"


def _free_ports(wanted: int) -> list[int]:
    """Ports that stay free while the payment service is dead.

    They are below the ranges from which Linux and macOS take ports for outgoing connections.
    """
    free: list[int] = []
    for port in random.sample(range(20_000, 32_000), 1000):
        with socket.socket() as probe, suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            free.append(port)
        if len(free) == wanted:
            break
    return free
