"""Many seeds, on every core."""

import atexit
import gc
import multiprocessing
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass, field

from breakwall.crashpoints import POINTS
from tests.simulation.faults import MET, RATES, SCHEDULED_FAULTS
from tests.simulation.run import RunResult, simulate
from tests.simulation.storage import Storage

BATCH = 10
"""Seeds that a process gets at once: a fraction of a second, so that all end at about the same time."""

ENOUGH = 5  # Bad seeds after which no more are tried: they usually have one cause.


@dataclass
class Tally:
    """The results of the seeds so far. ``bad``: seeds that broke an invariant, and how."""

    seeds: int = 0
    seen: Counter[str] = field(default_factory=Counter)
    killed_at: Counter[str] = field(default_factory=Counter)
    orders: Counter[str] = field(default_factory=Counter)
    # By the kind of payment service: how many orders there were, and how many of them ended in review.
    by_kind: Counter[str] = field(default_factory=Counter)
    reviews: Counter[str] = field(default_factory=Counter)
    charged: int = 0
    virtual_seconds: float = 0.0
    rests: list[float] = field(
        default_factory=list
    )  # Each run's seconds from its last fault until no order was open.
    bad: list[tuple[int, str]] = field(default_factory=list)

    def add(self, outcome: RunResult) -> None:
        self.seeds += 1
        self.seen += outcome.seen
        self.killed_at += outcome.killed_at
        self.orders += outcome.orders
        if outcome.kind is not None:
            self.by_kind[outcome.kind] += outcome.orders.total()
            self.reviews[outcome.kind] += outcome.orders["review"]
        self.charged += outcome.charged
        self.virtual_seconds += outcome.seconds
        self.rests.append(outcome.rested_after)
        if outcome.violation is not None:
            self.bad.append((outcome.seed, outcome.violation))

    def rest_of(self, share: float) -> float:
        """Within how many seconds of the last fault this share of the runs had no open order any more."""
        return (
            sorted(self.rests)[min(len(self.rests) - 1, int(share * len(self.rests)))] if self.rests else 0.0
        )

    @property
    def review_shares(self) -> list[tuple[str, float, int]]:
        """For each kind of payment service the share of its orders that ended in review, and how many it had."""
        kinds = sorted(self.by_kind.items())
        return [(kind, self.reviews[kind] / number, number) for kind, number in kinds if number]

    @property
    def never_seen(self) -> list[str]:
        """Faults and crash points that no run has met."""
        return [name for name in (*RATES, *SCHEDULED_FAULTS, *MET) if not self.seen[name]] + [
            f"killed {point}" for point in POINTS if not self.killed_at[point]
        ]


def run_here(first: int, *, seconds: float) -> Tally:
    """Try seeds from ``first`` on in this process, until one is bad or the time is over."""
    tally = Tally()
    storage = Storage()
    end = time.monotonic() + seconds
    try:
        while time.monotonic() < end and not tally.bad:
            tally.add(simulate(first + tally.seeds, storage))
    finally:
        storage.close()
    return tally


def run_everywhere(first: int, number: int, *, seconds: float, on_progress: Callable[[Tally], None]) -> Tally:
    """Try so many seeds on all cores, until `ENOUGH` are bad or the time is over."""
    tally = Tally()
    end = time.monotonic() + seconds
    batches = _batches(first, number)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    # Spawned: each process has a database of its own, and nothing of this one's.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(cores, context, initializer=_prepare) as pool:
        running: set[Future[list[RunResult]]] = set()
        while True:
            while len(running) < 2 * cores and _continues(tally, end) and (batch := next(batches, None)):
                running.add(pool.submit(_try, batch))
            if not running:
                return tally
            done, running = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                for outcome in future.result():
                    tally.add(outcome)
            on_progress(tally)


def _continues(tally: Tally, end: float) -> bool:
    return time.monotonic() < end and len(tally.bad) < ENOUGH


def _batches(first: int, number: int) -> Iterator[range]:
    for start in range(first, first + number, BATCH):
        yield range(start, min(start + BATCH, first + number))


_storage: Storage


def _prepare() -> None:
    global _storage
    _storage = Storage()
    atexit.register(_storage.close)
    # What is allocated by now stays. What a run leaves behind is collected less often, more at once.
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


def _try(seeds: range) -> list[RunResult]:
    return [simulate(seed, _storage) for seed in seeds]
