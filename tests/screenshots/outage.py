"""A real site (`breakwall up`) that goes through an outage of its payment service."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from breakwall.simulator.client import SimulatorControl

# A probe comes soon, so that the pictures need no patience.
_SETTINGS = {
    "BREAKER__RECOVERY_TIMEOUT": "20",
    "BREAKER__MAX_RECOVERY_TIMEOUT": "20",
    "RETRY__BASE": "1",
    "PLACE__WAIT": "1",
}
_AMOUNTS = (48_000, 12_900, 135_000, 7_500, 89_000, 23_400)
STARTING = 60.0  # Seconds.


class Outage:
    """The site, from its start in a folder of its own until `close`."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        # A short path: it has a socket.
        folder = self._stack.enter_context(tempfile.TemporaryDirectory(prefix="bw-", dir="/tmp"))
        self._log = Path(folder) / "up.log"
        payment, control, api = _free_ports()
        self.address = f"http://127.0.0.1:{api}"
        self._control = SimulatorControl(f"http://127.0.0.1:{control}")
        ports = ("--payment-port", payment, "--control-port", control, "--api-port", api)
        kept = {name: value for name, value in os.environ.items() if not name.startswith("BREAKWALL_")}
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "breakwall", "up", *map(str, ports)],
                cwd=folder,
                env=kept | {f"BREAKWALL_{name}": value for name, value in _SETTINGS.items()},
                stdout=log,
                stderr=log,
            )
        self._placed = 0
        self.wait_for("the site answers", self._is_up, STARTING)

    def _is_up(self) -> bool:
        with suppress(OSError):
            return bool(self.ask("/readyz")["status"] == "ready")
        return False

    def place(self, orders: int, *, every: float) -> list[str]:
        """So many orders, one after another; their ids."""
        return [self._place(every) for _ in range(orders)]

    def _place(self, pause: float) -> str:
        self._placed += 1
        order = {
            "user_id": f"user-{7000 + self._placed * 37 % 900}",
            "amount": _AMOUNTS[self._placed % len(_AMOUNTS)],
            "currency": "KRW",
        }
        time.sleep(pause)
        key = f"cart-2026-{self._placed:04}"
        return str(self.ask("/v1/orders", order, **{"Idempotency-Key": key})["id"])

    def begin(self) -> None:
        """From now on the payment service refuses every connection."""
        self._control.set_faults(down=True)

    def end(self) -> None:
        self._control.set_faults(down=False, latency=[0.1, 0.4])

    def act(self, path: str, reason: str) -> None:
        """What a person does, by the API. A refusal is none: the circuit may just be half-open."""
        with suppress(urllib.error.HTTPError):
            self.ask(path, {"reason": reason, "actor": "minjun"})

    def ask(self, path: str, body: object = None, **headers: str) -> dict[str, Any]:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            self.address + path, data, {"Content-Type": "application/json", **headers}
        )
        with urllib.request.urlopen(request, timeout=20) as answer:
            found: dict[str, Any] = json.load(answer)
            return found

    def wait_for(self, what: str, holds: Any, seconds: float) -> None:
        """Until it holds. Raises TimeoutError, with what the site has said."""
        end = time.monotonic() + seconds
        while not holds():
            if time.monotonic() > end or self._process.poll() is not None:
                raise TimeoutError(f"still waiting: {what}\n{self._log.read_text(errors='replace')}")
            time.sleep(0.2)

    def close(self) -> None:
        self._process.send_signal(signal.SIGINT)
        self._process.wait(30)
        self._stack.close()


def _free_ports() -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(3)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
