"""What the breaker's rare cases cost without the code for them, in virtual time: see `docs/adr/0005`.

    python bench/breaker_special_cases.py

Each case runs twice: as the product is, and with one rule taken out. Nothing is measured in real time, so the numbers
are the same on every machine.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from pathlib import Path
from unittest import mock

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from breakwall.breaker import CircuitBreaker, CircuitBreakerConfig
from tests.dict_store import DictStore

EPOCH = 1_700_000_000.0
HOUR = 3600.0


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


class CuttableStore(DictStore):
    """One process's way to the store, which can be cut; the clock of the store can step."""

    step = 0.0

    def __init__(self, clock: Clock, texts: dict[str, tuple[str, str]]) -> None:
        super().__init__(lambda: EPOCH + clock.now + CuttableStore.step)
        self._texts = texts
        self.is_cut = False

    def load(self, name: str) -> object:
        self._check()
        return super().load(name)

    def swap(self, name: str, seen: str, version: str, text: str) -> object:
        self._check()
        return super().swap(name, seen, version, text)

    def _check(self) -> None:
        if self.is_cut:
            raise ConnectionError


class Fleet:
    def __init__(self, size: int) -> None:
        self.clock, texts = Clock(), {}
        CuttableStore.step = 0.0
        self.stores = [CuttableStore(self.clock, texts) for _ in range(size)]
        config = CircuitBreakerConfig(failure_threshold=3, jitter=0.0)
        self.breakers = [
            CircuitBreaker("payment", config, store, clock=self.clock, jitter=lambda: 0.0)
            for store in self.stores
        ]

    def run(self, seconds: float, failing: range, silent: range = range(0)) -> int:
        """Each host calls ten times a second. Returns how many calls the service got."""
        sent: list[None] = []

        def call(host: int) -> None:
            sent.append(None)
            if host in failing:
                raise OSError

        for _ in range(round(seconds * 10)):
            for host, breaker in enumerate(self.breakers):
                if host not in silent:
                    breaker.call(call, host, fallback="refused or failed")
            self.clock.now += 0.1
        return len(sent)

    def cut(self, hosts: range, *, is_cut: bool) -> None:
        for number in hosts:
            self.stores[number].is_cut = is_cut


def one_host_loses_its_network() -> str:
    """One of 50 loses the store and the service for nine seconds, and comes back."""
    fleet, lost = Fleet(50), range(1)
    fleet.run(2, failing=range(0))
    fleet.cut(lost, is_cut=True)
    fleet.run(9, failing=lost)
    fleet.cut(lost, is_cut=False)
    fleet.run(10, failing=lost)
    refused = sum(breaker.metrics().rejected_calls for breaker in fleet.breakers[1:])
    return f"{refused} calls of the 49 healthy hosts refused in ten seconds"


def an_outage_begins_without_the_store() -> str:
    """All hosts lose the store; the service fails meanwhile, and still does when the store is back."""
    fleet, all_hosts = Fleet(50), range(50)
    fleet.run(2, failing=range(0))
    fleet.cut(all_hosts, is_cut=True)
    fleet.run(5, failing=all_hosts)
    fleet.cut(all_hosts, is_cut=False)
    return f"{fleet.run(5, failing=all_hosts)} calls sent to the dead service in five seconds"


def the_stores_clock_steps_back() -> str:
    """By an hour, a second after the circuit has opened for 30 seconds."""
    fleet = Fleet(2)
    fleet.run(0.3, failing=range(2))
    opened_at = fleet.clock.now
    fleet.clock.now += 1
    CuttableStore.step = -HOUR
    while fleet.breakers[1].status().slots == 0:
        fleet.clock.now += 1
    return f"the first probe goes {fleet.clock.now - opened_at:.0f} s after the opening"


CASES: list[tuple[Callable[[], str], str, object]] = [
    (one_host_loses_its_network, "breakwall.breaker.sync.conflict._others_succeeded", lambda *_: False),
    (an_outage_begins_without_the_store, "breakwall.breaker.sync.conflict.overrules", lambda *_: False),
    (the_stores_clock_steps_back, "breakwall.breaker.sync.cas.adjusted", lambda circuit, _: circuit),
]


def main() -> int:
    logging.disable()
    for case, rule, without in CASES:
        print(f"{(case.__doc__ or '').strip()}\n  as it is:  {case()}")
        with mock.patch(rule, without):
            print(f"  without {rule.rpartition('.')[2]}:  {case()}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
