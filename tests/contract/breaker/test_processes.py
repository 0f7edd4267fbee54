"""Real processes that share a circuit."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.contract.breaker.conftest import SHARED
from tests.contract.breaker.fleet_process import serve
from tests.stopwatch import Stopwatch
from tests.waiting import wait_until

# Forks of one process that has imported the libraries: two dozen interpreters would take half a minute.
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(
    ["tests.contract.breaker.fleet_process", "sqlalchemy.dialects.postgresql", "psycopg", "redis"]
)
# These tests check which calls are let through, not how long a store on a crowded machine may take.
CONFIG = {"failure_threshold": 3, "recovery_timeout": 1.0, "timeout": 1.0, "store_timeout": 10.0}

# Time for two dozen processes on two processors that are busy with something else.
FIRST_CONTACT = 20.0
# PostgreSQL's processes would be another two dozen; `bench/breaker_cold_start.py` has them.
COLD_STARTS = pytest.mark.parametrize(
    "shared_url", [kind for kind in SHARED if kind != "postgres"], indirect=True
)


class Process:
    def __init__(self, url: str, config: dict[str, Any]) -> None:
        self.pipe, theirs = PROCESSES.Pipe()
        self.process = PROCESSES.Process(target=serve, args=(theirs, url, config), daemon=True)
        self.process.start()
        theirs.close()

    def send(self, command: str, number: int = 0) -> None:
        self.pipe.send((command, number))

    def receive(self) -> Any:
        return self.pipe.recv()

    def ask(self, command: str, number: int = 0) -> Any:
        self.send(command, number)
        return self.receive()

    def kill(self) -> None:
        self.process.kill()
        self.process.join()


def ask_all(fleet: list[Process], command: str, number: int = 0) -> list[Any]:
    """All at the same time."""
    for process in fleet:
        process.send(command, number)
    return [process.receive() for process in fleet]


@pytest.fixture
def start(shared_url: str) -> Iterator[Callable[..., list[Process]]]:
    started: list[Process] = []

    def start(count: int, **config: Any) -> list[Process]:
        fleet = [Process(shared_url, CONFIG | config) for _ in range(count)]
        started.extend(fleet)
        assert [process.receive() for process in fleet] == ["ready"] * count
        return fleet

    yield start
    for process in started:
        process.kill()


Start = Callable[..., list[Process]]


def wait_for(process: Process, **wanted: Any) -> None:
    wait_until(lambda: wanted.items() <= process.ask("status").items(), look_every=0.02)


def test_24_processes_with_two_failures_each_open_it(start: Start) -> None:
    fleet = start(24, failure_threshold=48, recovery_timeout=60.0)
    ask_all(fleet, "fail", 2)
    for process in fleet:
        wait_for(process, state="open", store_ok=True)


@COLD_STARTS
def test_24_processes_that_start_together_beside_an_open_circuit_send_nothing(start: Start) -> None:
    (first,) = start(1, recovery_timeout=60.0)
    first.ask("fail", 3)
    wait_for(first, state="open", store_ok=True)
    # With the defaults: what a process waits for before its first call is not the store timeout.
    newcomers = start(24, recovery_timeout=60.0, store_timeout=0.05, first_contact=FIRST_CONTACT)
    assert ask_all(newcomers, "send_failures", 3) == [0] * 24


@COLD_STARTS
def test_24_processes_with_two_failures_each_open_it_at_20_as_they_start(start: Start) -> None:
    settings = {"store_timeout": 0.05, "first_contact": FIRST_CONTACT}
    fleet = start(24, failure_threshold=20, recovery_timeout=60.0, **settings)
    ask_all(fleet, "send_failures", 2)
    for process in fleet:
        wait_for(process, state="open", store_ok=True)
        assert 20 <= process.ask("status")["failures"] <= 21, "those that opened it"


def test_24_processes_that_probe_at_once_get_as_many_permits_as_configured(start: Start) -> None:
    fleet = start(24, half_open_max_calls=3, timeout=60.0)
    fleet[0].ask("fail", 3)
    wait_for(fleet[0], state="half_open")
    ask_all(fleet, "status")
    assert ask_all(fleet, "acquire").count(True) == 3
    ask_all(fleet, "record_success")
    for process in fleet:
        wait_for(process, state="closed")


def test_a_prober_that_is_killed_costs_one_lease(start: Start) -> None:
    killed, other = start(2, timeout=3.0)
    killed.ask("fail", 3)
    wait_for(other, state="half_open")
    assert killed.ask("acquire")
    wait_for(other, slots=0)
    killed.kill()
    wait_for(other, slots=1)
    assert other.ask("succeed", 1) == "closed"


def test_all_of_24_processes_that_fail_together_soon_refuse(start: Start) -> None:
    fleet = start(24, failure_threshold=10, recovery_timeout=60.0, store_timeout=0.05)
    ask_all(fleet, "succeed", 1)
    watch, began = Stopwatch(processes=True), time.time()
    refused_at = ask_all(fleet, "fail_until_open", 10_000)
    assert None not in refused_at
    # Half a second where each process has a processor; two dozen of them may have to share one here.
    assert max(refused_at) - began < 5 + watch.lost
