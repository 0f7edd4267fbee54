"""One process of a fleet: obeys the commands that come through a pipe, and answers each."""

from __future__ import annotations

import time
from multiprocessing.connection import Connection
from typing import Any

from breakwall.breaker import (
    CircuitBreaker,
    CircuitBreakerConfig,
    CircuitBreakerError,
    Permit,
    store_from_url,
)


class FleetProcess:
    def __init__(self, url: str, config: dict[str, Any]) -> None:
        self.breaker = CircuitBreaker("payment", CircuitBreakerConfig(**config), store_from_url(url))
        self.permits: list[Permit] = []

    def succeed(self, times: int) -> str:
        for _ in range(times):
            self.breaker.call(int, fallback="refused")
        return self.state()

    def fail(self, times: int) -> str:
        for _ in range(times):
            self.breaker.call(_fail, fallback="failed")
        return self.state()

    def send_failures(self, times: int) -> int:
        """How many of so many calls were let through; all of those fail."""
        sent: list[None] = []

        def send() -> None:
            sent.append(None)
            raise OSError

        for _ in range(times):
            self.breaker.call(send, fallback="failed")
        return len(sent)

    def acquire(self, _: int) -> bool:
        try:
            self.permits.append(self.breaker.acquire())
        except CircuitBreakerError:
            return False
        return True

    def record_success(self, _: int) -> str:
        while self.permits:
            self.permits.pop().record_success()
        return self.state()

    def fail_until_open(self, milliseconds: int) -> float | None:
        """The time of day at which this process first had a call refused; one failure a millisecond."""
        deadline = time.monotonic() + milliseconds / 1000
        while time.monotonic() < deadline:
            try:
                self.breaker.acquire().record_failure()
            except CircuitBreakerError:
                return time.time()
            time.sleep(0.02)
        return None

    def status(self, _: int) -> dict[str, Any]:
        status = self.breaker.status()
        return {
            "state": status.state,
            "slots": status.slots,
            "store_ok": status.store_ok,
            "failures": status.failure_count,
        }

    def state(self, _: int = 0) -> str:
        return self.breaker.status().state.value


def _fail() -> None:
    raise OSError


def serve(pipe: Connection, url: str, config: dict[str, Any]) -> None:
    process = FleetProcess(url, config)
    pipe.send("ready")
    while True:
        try:
            command, number = pipe.recv()
        except EOFError:
            return
        pipe.send(getattr(process, command)(number))
