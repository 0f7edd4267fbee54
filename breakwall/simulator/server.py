"""The running simulator: its two ports, its faults, and its stop."""

import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

from breakwall.simulator.charge_book import ChargeBook
from breakwall.simulator.charging import ChargeHandler
from breakwall.simulator.control import ControlHandler
from breakwall.simulator.faults import Faults, Limiter, Samples, samples_for
from breakwall.simulator.ports import Port, bind, url_of
from breakwall.simulator.service import PaymentService

_GRACE = 1.0  # Seconds for running charges to finish when the simulator stops.


class Simulator:
    """A payment service at ``url``, its control port at ``control_url``, and its charge book.

    ``faults`` are the current ones; ``stopping`` is set when the simulator stops.
    """

    def __init__(
        self,
        *,
        host: str,
        port: int,
        control_port: int,
        charge_book: Path,
        seed: int = 0,
        deduplicate: bool = True,
    ) -> None:
        """Take both ports (0: a free one), open the charge book and serve.

        `OSError` if a port is taken; else as `ChargeBook`.
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
        self.charge_book = ChargeBook(charge_book)
        self.service = PaymentService(self.charge_book, seed=seed, deduplicate=deduplicate)
        self._down = bound
        self._up: Port | None = Port(bound, ChargeHandler, self)
        self._control = Port(control, ControlHandler, self)

    def change(self, changes: object, *, replace: bool) -> Faults:
        """Apply ``changes`` to the current faults, or ``replace`` all faults; returns the new ones.

        `FaultError` if the changes are invalid, `OSError` if the service cannot listen again: nothing is changed.
        """
        with self._lock:
            faults = (Faults() if replace else self.faults).changed(changes)
            if faults.down and self._up is not None:
                self._go_down(self._up)
            elif not faults.down and self._up is None:
                self._up = Port(self._down, ChargeHandler, self)
            self.faults = faults
            return faults

    def next_samples(self, key: str) -> Samples:
        """The random samples of the request that has just arrived for ``key``."""
        with self._lock:
            number = self._requests[key]
            self._requests[key] += 1
        return samples_for(self._seed, key, number)

    def count_fault(self, fault: str) -> None:
        with self._lock:
            self._injected[fault] += 1

    def stats(self) -> dict[str, Any]:
        """Totals of the whole charge book, and of requests and faults since the start."""
        with self._lock:
            requests, injected = self._requests.total(), dict(self._injected)
        return {"requests": requests, **self.service.stats(), "injected": injected}

    def close(self) -> None:
        """Refuse new connections, let running charges finish, close the charge book."""
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
        self.charge_book.close()

    def _go_down(self, up: Port) -> None:
        self._up = None
        up.refuse()
        # Keep the port bound: another program's connection could get it meanwhile.
        self._down = bind(*self._address)
        up.cut()

    def _await_running(self) -> None:
        end = time.monotonic() + _GRACE
        while self.service.stats()["running"] and time.monotonic() < end:
            time.sleep(0.005)
