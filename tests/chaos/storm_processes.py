"""The processes that the storm strikes: workers, producers and the payment service, each with a log.

All of them die with this process, also when it is killed with -9 (see `breakwall.processes.children`). To be used
from the main thread.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from breakwall.processes.children import Child, end_of, python_module
from breakwall.simulator.client import SimulatorControl, SimulatorError
from tests.chaos.storm_forecast import ALWAYS, DOWN, EVERYTHING, FAIR, KILL_SERVICE, Blow

READY = 30.0
"""Seconds at most until the payment service answers; a busy machine takes two."""


class Victim:
    """A program that is started again after each death.

    Args:
        name: what people call it, and its log.
        command, environ, folder: what to run, with which environment, where.
    """

    def __init__(self, name: str, command: Sequence[str], environ: Mapping[str, str], folder: Path) -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        self._command, self._environ, self._folder = list(command), environ, folder
        self._child: Child | None = None
        self._thaws_at: float | None = None

    @property
    def running(self) -> bool:
        return self._child is not None and self._child.running

    @property
    def ended_well(self) -> bool:
        return self._child is not None and self._child.process.poll() == 0

    @property
    def last_words(self) -> str:
        """How it ended, and the end of its log."""
        how = "never ran" if self._child is None else self._child.how_it_ended
        return f"{self.name} {how}:\n{end_of(self.log)}"

    def start(self) -> None:
        if self._child is not None:
            self._child.kill()  # gives back what the ended one held
        self._thaws_at = None
        with self.log.open("ab") as log:
            self._child = Child(
                self.name,
                self._command,
                environment=self._environ,
                folder=self._folder,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def kill(self) -> None:
        """``kill -9``."""
        if self._child is not None:
            self._child.kill()

    def freeze(self, seconds: float) -> None:
        """Stop it in the middle of whatever it does; `thaw_when_due` lets it go on."""
        self._signal(signal.SIGSTOP)
        self._thaws_at = time.monotonic() + seconds

    def thaw_when_due(self, now: float) -> None:
        if self._thaws_at is not None and now >= self._thaws_at:
            self._thaws_at = None
            self._signal(signal.SIGCONT)

    def stop(self, timeout: float) -> None:
        """Ask it to end, wait, and kill it when it does not."""
        self.thaw_when_due(float("inf"))
        if self._child is None:
            return
        self._child.ask_to_stop()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._child.process.wait(timeout)
        self._child.kill()

    def _signal(self, number: int) -> None:
        if self._child is not None and self._child.running:
            os.killpg(self._child.pid, number)


class PaymentService:
    """The simulator, which charges every time that it is asked: no key protects anybody.

    Args:
        ports: of its service and of its control.
        folder: where its ledger is; it outlives every ``kill -9``.
        seed: decides what befalls which request.
    """

    def __init__(self, ports: tuple[int, int], folder: Path, environ: Mapping[str, str], seed: int) -> None:
        port, control = ports
        self.url = f"http://127.0.0.1:{port}"
        self.caused: Counter[str] = Counter()
        self._control = SimulatorControl(f"http://127.0.0.1:{control}")
        listen = ("--port", str(port), "--control-port", str(control), "--ledger", "charges.db")
        options = (*listen, "--no-deduplicate", "--seed", str(seed))
        self._victim = Victim("simulator", python_module("breakwall", "simulator", *options), environ, folder)
        self._weather = FAIR
        self._injected: Counter[str] = Counter()

    def start(self) -> None:
        """Start it where it is not running, and wait until it answers.

        Raises:
            RuntimeError: it does not; with the end of its log.
        """
        if self._victim.running:
            return
        self._victim.start()
        deadline = time.monotonic() + READY
        while not self._control.healthy():
            if not self._victim.running or time.monotonic() > deadline:
                raise RuntimeError(f"the payment service did not start; {self._victim.log.read_text()}")
            time.sleep(0.02)

    def change(self, blow: Blow) -> None:
        """End the weather that there is and begin another."""
        self.start()
        self._count()
        self._weather = blow.name
        if blow.name in {KILL_SERVICE, DOWN}:
            self.caused[blow.name] += 1
        if blow.name == KILL_SERVICE:
            self._victim.kill()
        else:
            self._set(blow.faults)

    def calm(self) -> None:
        """From now on nothing goes wrong any more."""
        self.start()
        self._count()
        self._weather = FAIR
        self._set(ALWAYS)

    def ledger(self) -> list[dict[str, Any]]:
        """Every charge and decline, see `SimulatorControl.ledger`."""
        return self._control.ledger()

    def stop(self) -> None:
        self._victim.stop(5)

    def _set(self, faults: dict[str, Any]) -> None:
        self._control.clear_faults()
        self._control.set_faults(**faults)
        self._injected = Counter(self._control.stats()["injected"])

    def _count(self) -> None:
        """Add up what was done to requests since the weather began."""
        with contextlib.suppress(SimulatorError):
            injected = Counter(self._control.stats()["injected"])
            for fault, times in (injected - self._injected).items():
                self.caused[f"request met: {self._name_of(fault)}"] += times

    def _name_of(self, fault: str) -> str:
        told_apart = fault in {"charge_then_fail", "error"} and self._weather != EVERYTHING
        return self._weather if told_apart else fault.replace("_", " ")
