"""What is measured on processes and servers: processor time, Redis commands, PostgreSQL commits, quantiles."""

from __future__ import annotations

import math
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from itertools import pairwise
from types import TracebackType
from typing import Self

import psutil
import psycopg
import redis

OWN = ("info", "client|setinfo", "hello", "select", "client|setname")


def cpu_of(pids: Iterable[int]) -> float:
    """Seconds of processor time that the processes have used, without their children."""
    times = [psutil.Process(pid).cpu_times() for pid in pids]
    return float(sum(one.user + one.system for one in times))


def cpu_of_children(pid: int) -> float:
    """Seconds of processor time of a process's children, also of those that have ended."""
    parent = psutil.Process(pid)
    while True:
        try:
            running = cpu_of(child.pid for child in parent.children())
        except psutil.NoSuchProcess:  # It has ended meanwhile, and counts among the ended ones.
            continue
        ended = parent.cpu_times()
        return float(running + ended.children_user + ended.children_system)


def redis_commands(url: str) -> Counter[str]:
    """How often each command has run on the whole server."""
    with redis.Redis.from_url(url) as client:
        stats = client.info("commandstats")
    return Counter({name[8:]: int(value["calls"]) for name, value in stats.items() if name[8:] not in OWN})


def commits(database_url: str) -> int:
    """How many transactions the database has committed. Asked in another database, so that it counts itself not."""
    address, _, name = database_url.replace("+psycopg", "").rpartition("/")
    with psycopg.connect(f"{address}/postgres", autocommit=True) as connection:
        query = "SELECT xact_commit FROM pg_stat_database WHERE datname = %s"
        row = connection.execute(query, [name]).fetchone()
    assert row is not None
    return int(row[0])


class Sampler:
    """Reads running totals again and again until it is left; `rate` and `line` are per second.

    ``totals`` are functions by name. One that fails, because what it reads is not there any more, ends the sampling.
    """

    def __init__(self, interval: float = 0.5, **totals: Callable[[], float]) -> None:
        self._interval, self._totals = interval, totals
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self.samples: list[tuple[float, dict[str, float]]] = []

    def __enter__(self) -> Self:
        self._read()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def rate(self, name: str, since: float, until: float) -> float:
        """The mean of a second between two moments of the monotonic clock."""
        within = [(at, values[name]) for at, values in self.samples if since <= at <= until]
        (first, low), (last, high) = within[0], within[-1]
        return (high - low) / (last - first)

    def line(self, name: str, start: float) -> list[tuple[float, float]]:
        """What went by in a second, for a chart whose 0 is ``start``."""
        return [
            (later - start, max(0.0, (after[name] - before[name]) / (later - at)))
            for (at, before), (later, after) in pairwise(self.samples)
        ]

    def values(self, name: str, start: float) -> list[tuple[float, float]]:
        """The totals themselves, for a chart whose 0 is ``start``."""
        return [(at - start, values[name]) for at, values in self.samples]

    def _sample(self) -> None:
        while not self._over.wait(self._interval):
            self._read()

    def _read(self) -> None:
        values = {name: float(total()) for name, total in self._totals.items()}
        self.samples.append((time.monotonic(), values))


def quantile(values: Iterable[float], share: float) -> float:
    """The smallest value that so large a share does not exceed; 0 of nothing."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else 0.0


def waiting(database_url: str) -> int:
    """How many orders are queued or in flight."""
    query = "SELECT count(*) FROM orders WHERE status IN ('queued', 'in_flight')"
    with psycopg.connect(database_url.replace("+psycopg", ""), autocommit=True) as connection:
        row = connection.execute(query).fetchone()
    assert row is not None
    return int(row[0])
