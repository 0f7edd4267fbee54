"""The processes that are killed and paused: workers, producers and the payment service, each with a log.

All of them end with this process, also after ``kill -9`` (see `breakwall.processes.child`). Only for the main thread.
"""

import contextlib
import os
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from breakwall.processes.child import Child, end_of, python_module
from breakwall.simulator.client import SimulatorControl, SimulatorError
from tests.chaos.fault_schedule import ALWAYS, DOWN, EVERYTHING, KILL_SERVICE, NO_FAULT, InjectedFault

READY = 30.0  # Seconds at most until the payment service answers; on a busy machine it takes two.


class RestartedProcess:
    """A program that is started again after each death."""

    def __init__(self, name: str, command: Sequence[str], environ: Mapping[str, str], folder: Path) -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        self._command, self._environ, self._folder = list(command), environ, folder
        self._child: Child | None = None
        self._resumes_at: float | None = None

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
        self._resumes_at = None
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

    def pause(self, seconds: float) -> None:
        """Stop it with SIGSTOP; `resume_when_due` lets it continue."""
        self._signal(signal.SIGSTOP)
        self._resumes_at = time.monotonic() + seconds

    def resume_when_due(self, now: float) -> None:
        if self._resumes_at is not None and now >= self._resumes_at:
            self._resumes_at = None
            self._signal(signal.SIGCONT)

    def stop(self, timeout: float) -> None:
        """Ask it to end, wait, and kill it if it does not."""
        self.resume_when_due(float("inf"))
        if self._child is None:
            return
        self._child.ask_to_stop()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._child.process.wait(timeout)
        self._child.kill()

    def _signal(self, number: int) -> None:
        if self._child is not None and self._child.running:
            os.killpg(self._child.pid, number)


class SimulatorProcess:
    """The simulator without deduplication: each request charges, whatever its key.

    Args:
        ports: of its service and of its control.
        folder: of its ledger, which survives every ``kill -9``.
        seed: decides which request gets which fault.
    """

    def __init__(self, ports: tuple[int, int], folder: Path, environ: Mapping[str, str], seed: int) -> None:
        port, control = ports
        self.url = f"http://127.0.0.1:{port}"
        self.caused: Counter[str] = Counter()
        self._control = SimulatorControl(f"http://127.0.0.1:{control}")
        listen = ("--port", str(port), "--control-port", str(control), "--ledger", "charges.db")
        options = (*listen, "--no-deduplicate", "--seed", str(seed))
        self._process = RestartedProcess(
            "simulator", python_module("breakwall", "simulator", *options), environ, folder
        )
        self._fault = NO_FAULT
        self._injected: Counter[str] = Counter()

    def start(self) -> None:
        """Start it if it does not run, and wait until it answers; `RuntimeError` with its log if it does not."""
        if self._process.running:
            return
        self._process.start()
        deadline = time.monotonic() + READY
        while not self._control.healthy():
            if not self._process.running or time.monotonic() > deadline:
                raise RuntimeError(f"the payment service did not start; {self._process.log.read_text()}")
            time.sleep(0.02)

    def change(self, fault: InjectedFault) -> None:
        """End the present fault and begin another."""
        self.start()
        self._count()
        self._fault = fault.name
        if fault.name in {KILL_SERVICE, DOWN}:
            self.caused[fault.name] += 1
        if fault.name == KILL_SERVICE:
            self._process.kill()
        else:
            self._set(fault.settings)

    def clear_faults(self) -> None:
        """From now on no fault occurs."""
        self.start()
        self._count()
        self._fault = NO_FAULT
        self._set(ALWAYS)

    def ledger(self) -> list[dict[str, Any]]:
        """Every charge and decline, see `SimulatorControl.ledger`."""
        return self._control.ledger()

    def stop(self) -> None:
        self._process.stop(5)

    def _set(self, faults: dict[str, Any]) -> None:
        self._control.clear_faults()
        self._control.set_faults(**faults)
        self._injected = Counter(self._control.stats()["injected"])

    def _count(self) -> None:
        """Count the requests that met a fault since the present fault began."""
        with contextlib.suppress(SimulatorError):
            injected = Counter(self._control.stats()["injected"])
            for fault, times in (injected - self._injected).items():
                self.caused[f"request met: {self._name_of(fault)}"] += times

    def _name_of(self, fault: str) -> str:
        by_its_name = fault in {"charge_then_fail", "error"} and self._fault != EVERYTHING
        return self._fault if by_its_name else fault.replace("_", " ")
