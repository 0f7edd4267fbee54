"""The payment service's process, as the scenarios see it."""

from __future__ import annotations

import json
import time
import urllib.request
from typing import Any


class PaymentService:
    """Changes and reads a running `bench.services.payment`."""

    def __init__(self, url: str) -> None:
        self.url = url

    def change(self, **fields: Any) -> None:
        """Set fields of its `Behavior`; ``reset=True`` begins to count anew."""
        self._ask("/control", json.dumps(fields).encode())

    def stats(self) -> dict[str, Any]:
        return self._ask("/stats")

    def timeline(self) -> list[dict[str, float]]:
        """What happened in each quarter of a second; ``at`` is on the machine's monotonic clock."""
        points: list[dict[str, float]] = self._ask("/timeline")["points"]
        return points

    def wait_for(self, good: int, timeout: float) -> dict[str, Any]:
        """Wait until so many calls were good, at most ``timeout`` seconds; returns the statistics of that moment."""
        deadline = time.monotonic() + timeout
        while (stats := self.stats())["good"] < good and time.monotonic() < deadline:
            time.sleep(0.05)
        return stats

    def wait_for_first_call(self, timeout: float = 30.0) -> float:
        """The moment of the first call since the last reset, on the monotonic clock."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            first: float | None = self.stats()["first_call"]
            if first is not None:
                return first
            time.sleep(0.01)
        raise TimeoutError(f"no call has reached the payment service within {timeout:g} s")

    def answers(self) -> bool:
        try:
            self.stats()
        except OSError:
            return False
        return True

    def _ask(self, path: str, body: bytes | None = None) -> Any:
        with urllib.request.urlopen(self.url + path, data=body, timeout=10) as answer:
            return json.load(answer)
