"""How long until all of 24 processes know that the service fails: from the first failure to open in each.

    python bench/breaker_fleet.py [--rounds 3] [--spinners 4] [sqlite postgresql redis]

Real processes with steady calls share a circuit; PostgreSQL and Valkey are private servers that are started
for the run. All times are on one clock, `time.monotonic`, which Linux has for the whole machine. Three cases:

- *told*: one process gets a ``Retry-After``, and the time counts from there; the others' calls still succeed.
- *one*: one process fails; the failure rate is so low that its failures suffice. Counts from the failure that
  meets the threshold. Others succeed meanwhile, so the failures have to outlast a refresh interval.
- *all*: the service fails for all processes, default configuration. Counts from the first failure anywhere.

The control is the machine's part: at the same instant each process gets a flag in shared memory, and notices
it between two of its calls, which takes no store, no flush and no refresh. ``--spinners N`` keeps N processors
busy besides.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import multiprocessing
import os
import random
import statistics
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.sharedctypes import RawArray
from typing import Any

from breaker_stores import KINDS, shared_store

from breakwall.breaker import (
    CircuitBreaker,
    CircuitBreakerConfig,
    CircuitBreakerError,
    CircuitState,
    Transition,
    store_from_url,
)

PROCESSES = 24
# A call each 10 ms in each process.
PAUSE = 0.01
# Full windows: the outage comes after a time in which all went well.
HEALTHY_SECONDS = 2.0
TIMEOUT = 60.0

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["breaker_fleet", "sqlalchemy.dialects.postgresql", "psycopg", "redis"])

CASES: dict[str, dict[str, Any]] = {
    "told": {},
    "one": {"failure_rate": 1e-6},
    "all": {},
}


class Board:
    """What the processes show each other: one entry each, 0.0 until it has happened."""

    def __init__(self) -> None:
        self.ready = RawArray(ctypes.c_double, PROCESSES)
        self.failing = RawArray(ctypes.c_double, PROCESSES)
        self.failed = RawArray(ctypes.c_double, PROCESSES)
        self.noticed = RawArray(ctypes.c_double, PROCESSES)
        self.opened = RawArray(ctypes.c_double, PROCESSES)
        self.refused = RawArray(ctypes.c_double, PROCESSES)
        self.begun = RawArray(ctypes.c_double, 1)
        self.over = RawArray(ctypes.c_double, 1)


@dataclass
class MeasuredProcess:
    """One process: calls at a steady pace, and puts on the board what it sees."""

    place: int
    case: str
    board: Board
    breaker: CircuitBreaker
    failures: int = 0

    def run(self) -> None:
        self.breaker.listen(self._hear)
        self.breaker.status()
        self.board.ready[self.place] = time.monotonic()
        parent = os.getppid()
        due = time.monotonic() + random.random() * PAUSE
        while not self.board.over[0] and os.getppid() == parent:
            time.sleep(max(0.0, due - time.monotonic()))
            due = max(due + PAUSE, time.monotonic())
            if self.board.begun[0] and not self.board.noticed[self.place]:
                self.board.noticed[self.place] = time.monotonic()
            self._call()
        self.breaker.close()

    def _call(self) -> None:
        try:
            permit = self.breaker.acquire()
        except CircuitBreakerError:
            self.board.refused[self.place] = self.board.refused[self.place] or time.monotonic()
            return
        if not self.board.failing[self.place]:
            permit.record_success()
            return
        self.failures += 1
        if self.failures == self._decisive:
            self.board.failed[self.place] = time.monotonic()
            self.board.begun[0] = self.board.begun[0] or self.board.failed[self.place]
        permit.record_failure(retry_after=60.0 if self.case == "told" else None)

    @property
    def _decisive(self) -> int:
        return self.breaker.config.failure_threshold if self.case == "one" else 1

    def _hear(self, event: object) -> None:
        if isinstance(event, Transition) and event.after is CircuitState.OPEN:
            self.board.opened[self.place] = self.board.opened[self.place] or time.monotonic()


def serve(place: int, case: str, url: str, name: str, board: Board) -> None:
    breaker = CircuitBreaker(
        name, CircuitBreakerConfig(recovery_timeout=60.0, **CASES[case]), store_from_url(url)
    )
    MeasuredProcess(place, case, board, breaker).run()


def spin(board: Board) -> None:
    parent = os.getppid()
    while not board.over[0] and os.getppid() == parent:
        pass


@contextlib.contextmanager
def fleet(case: str, url: str, name: str, spinners: int) -> Iterator[Board]:
    """The processes, all of them ready."""
    board = Board()
    started = [
        FORKS.Process(target=serve, args=(place, case, url, name, board), daemon=True)
        for place in range(PROCESSES)
    ]
    started += [FORKS.Process(target=spin, args=(board,), daemon=True) for _ in range(spinners)]
    try:
        for process in started:
            process.start()
        wait_for(board.ready, "were ready")
        yield board
    finally:
        board.over[0] = 1.0
        for process in started:
            process.join(TIMEOUT)
            process.kill()


def wait_for(places: Any, what: str) -> None:
    deadline = time.monotonic() + TIMEOUT
    while not all(places):
        if time.monotonic() > deadline:
            raise SystemExit(f"only {sum(map(bool, places))} of {PROCESSES} processes {what} in {TIMEOUT} s")
        time.sleep(0.01)


def outage(case: str, url: str, name: str, spinners: int) -> dict[str, list[float]]:
    """One outage: seconds from the failure that counts, one for each process."""
    with fleet(case, url, name, spinners) as board:
        time.sleep(HEALTHY_SECONDS + random.random())
        for place in range(PROCESSES if case == "all" else 1):
            board.failing[place] = 1.0
        wait_for(board.noticed, "went on calling")
        wait_for(board.opened, "saw it open")
        wait_for(board.refused, "refused a call")
        began = min(at for at in board.failed if at)
        return {
            "control": [at - began for at in board.noticed],
            "store": [min(board.opened) - began],
            "open": [at - began for at in board.opened],
            "refused": [at - began for at in board.refused],
        }


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "kinds", nargs="*", default=list(KINDS), metavar="KIND", help=f"of {', '.join(KINDS)}"
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--spinners", type=int, default=0, help="processes that only burn time")
    parser.add_argument("--case", choices=CASES, action="append")
    parser.add_argument("--verbose", action="store_true", help="each round")
    options = parser.parse_args()
    load = os.getloadavg()[0]
    print(f"{PROCESSES} processes on {os.cpu_count()} processors, load average {load:.1f} before; ms")
    print(f"{'':18}{'control':>16}{'first open':>12}{'open in each':>16}{'first refusal':>16}")
    print(f"{'':18}{'median worst':>16}{'median':>12}{'median worst':>16}{'median worst':>16}")
    for kind in options.kinds:
        with shared_store(kind) as url:
            for case in options.case or CASES:
                rounds = [
                    outage(case, url, f"{case}-{number}", options.spinners)
                    for number in range(options.rounds)
                ]
                show(f"{kind} {case}", rounds, options.verbose)
    return 0


def show(title: str, rounds: list[dict[str, list[float]]], verbose: bool) -> None:
    def both(what: str, of: list[dict[str, list[float]]]) -> str:
        every = [seconds for one in of for seconds in one[what]]
        return f"{statistics.median(every) * 1e3:9.0f}{max(every) * 1e3:7.0f}"

    for of in ([[one] for one in rounds] if verbose else []) + [rounds]:
        first = statistics.median(one["store"][0] for one in of) * 1e3
        print(
            f"{title:18}{both('control', of)}{first:12.0f}{both('open', of)}{both('refused', of)}", flush=True
        )


if __name__ == "__main__":
    sys.exit(main())
