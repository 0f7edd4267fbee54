"""The running simulator: coming up, going down and stopping."""

from __future__ import annotations

import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

from breakwall.simulator.charging import ChargeHandler
from breakwall.simulator.control import ControlHandler
from breakwall.simulator.faults import Faults
from breakwall.simulator.ledger import Ledger
from breakwall.simulator.limiter import Limiter
from breakwall.simulator.ports import Port, bind, url_of
from breakwall.simulator.randomness import Fate, fate
from breakwall.simulator.service import PaymentService

_GRACE = 1.0
"""Seconds that charges which are being written have to be answered when the simulator stops."""


class Simulator:
    """A payment service with a service port, a control port and a ledger.

    Attributes:
        url, control_url: where the two ports are.
        faults: what goes wrong at the moment.
        stopping: set once the simulator stops.
    """

    def __init__(
        self,
        *,
        host: str,
        port: int,
        control_port: int,
        ledger: Path,
        seed: int = 0,
        deduplicate: bool = True,
    ) -> None:
        """Take both ports (0: a free one), open the ledger and serve.

        Raises:
            OSError: a port is taken, or the ledger cannot be opened.
            LedgerBusyError, sqlite3.Error: the ledger is in use, or is none.
        """
        self.faults = Faults()
        self.limiter = Limiter()
        self.stopping = threading.Event()
        self._seed = seed
        self._lock = threading.Lock()
        self._requests: Counter[str] = Counter()
        self._injected: Counter[str] = Counter()
        bound, control = bind(host, port), bind(host, control_port)
        self._address: tuple[str, int] = bound.getsockname()[:2]
        self.url, self.control_url = url_of(bound), url_of(control)
        self.ledger = Ledger(ledger)
        self.service = PaymentService(self.ledger, seed=seed, deduplicate=deduplicate)
        self._down = bound
        self._up: Port | None = Port(bound, ChargeHandler, self)
        self._control = Port(control, ControlHandler, self)

    def change(self, changes: object, *, from_none: bool) -> Faults:
        """Put ``changes`` over the present faults, or over none, and make them so.

        Raises:
            FaultError: the changes make no sense; nothing is changed.
            OSError: the service cannot come up again; nothing is changed.
        """
        with self._lock:
            faults = (Faults() if from_none else self.faults).changed(changes)
            if faults.down and self._up is not None:
                self._go_down(self._up)
            elif not faults.down and self._up is None:
                self._up = Port(self._down, ChargeHandler, self)
            self.faults = faults
            return faults

    def next_fate(self, key: str) -> Fate:
        """What befalls the request that has just come in for ``key``."""
        with self._lock:
            number = self._requests[key]
            self._requests[key] += 1
        return fate(self._seed, key, number)

    def caused(self, fault: str) -> None:
        """Count a fault that was done to a request."""
        with self._lock:
            self._injected[fault] += 1

    def stats(self) -> dict[str, Any]:
        """Totals of the ledger since ever, of requests and faults since the start."""
        with self._lock:
            requests, injected = self._requests.total(), dict(self._injected)
        return {"requests": requests, **self.service.stats(), "injected": injected}

    def close(self) -> None:
        """Refuse new connections, let charges that are being written end, close the ledger."""
        self.stopping.set()
        with self._lock:
            up, self._up = self._up, None
        if up is not None:
            up.refuse()
            self._await_running()
            up.cut()
        else:
            self._down.close()
        self._control.refuse()
        self._control.cut()
        self.ledger.close()

    def _go_down(self, up: Port) -> None:
        self._up = None
        up.refuse()
        # Held, not given back: another program's connection might be given the port meanwhile.
        self._down = bind(*self._address)
        up.cut()

    def _await_running(self) -> None:
        end = time.monotonic() + _GRACE
        while self.service.stats()["running"] and time.monotonic() < end:
            time.sleep(0.005)
