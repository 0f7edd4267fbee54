"""Drains a backlog, ours or a peer's, from the first call to the last."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bench.harness.circuit import CircuitWatch
from bench.harness.meters import cpu_of, cpu_of_children
from bench.harness.site import Machine, Site
from bench.peers.fill import fill
from breakwall.processes.child import Child


@dataclass(frozen=True)
class Drain:
    """A backlog and those who drain it.

    Attributes:
        orders, slots, workers: how many orders wait; for each of so many workers so many slots.
        behavior: of the payment service, see `bench.services.payment.Behavior`.
        per_second: what the payment service can do: an ideal drain takes ``orders / per_second`` seconds.
        limit: seconds after which the drain is cut off, and extrapolated.
    """

    orders: int
    slots: int
    workers: int
    behavior: dict[str, Any]
    per_second: float
    limit: float
    embedded: bool = False

    @property
    def ideal(self) -> float:
        return self.orders / self.per_second


@dataclass(frozen=True)
class Drained:
    """What came of it.

    Attributes:
        times_ideal: seconds divided by the ideal; None if less than a tenth was done when it was cut off.
        cpu: the workers' processor time of an order, in seconds.
        helpers_cpu: the same of the processes that they run, such as the one that delivers outcomes.
        whole: False if it was cut off.
        stats, timeline: of the payment service; the timeline's ``at`` is in seconds from the first call.
    """

    times_ideal: float | None
    per_second: float
    cpu: float
    whole: bool
    stats: dict[str, Any]
    timeline: list[dict[str, float]]
    openings: int = 0
    helpers_cpu: float = 0.0

    @property
    def note(self) -> str:
        return "" if self.whole else "cut off, extrapolated"

    @property
    def wasted(self) -> float:
        """The share of the calls that failed or hung."""
        return float(self.stats["failed"] + self.stats["hung"]) / max(1, self.stats["calls"])


Beside = Callable[[Site], None]
"""Is told when the workers have begun, before the wait for the end."""


def drain_ours(machine: Machine, drain: Drain, beside: Beside | None = None, **settings: object) -> Drained:
    with machine.site(embedded=drain.embedded, **settings) as site:
        site.enqueue(drain.orders)
        drained = _drained(site, drain, lambda name: site.worker(drain.slots, name), beside)
    if drained.stats["double"]:
        raise RuntimeError(f"{drained.stats['double']} orders were charged twice")
    return drained


def drain_celery(
    machine: Machine, drain: Drain, task: str = "plain", beside: Beside | None = None
) -> Drained:
    with machine.site() as site:
        fill(site.redis_url, task, drain.orders)
        return _drained(site, drain, lambda name: site.celery(drain.slots, name), beside)


def _drained(site: Site, drain: Drain, start: Callable[[str], Child], beside: Beside | None) -> Drained:
    site.service.change(reset=True, **drain.behavior)
    workers = [start(f"w{number}") for number in range(1, drain.workers + 1)]
    with CircuitWatch(site.database_url) as watch:
        first = site.service.wait_for_first_call()
        before = _cpu(workers)
        if beside is not None:
            beside(site)
        stats = site.service.wait_for(drain.orders, first + drain.limit - time.monotonic())
        own, helpers = (after - earlier for after, earlier in zip(_cpu(workers), before, strict=True))
    whole, good = stats["good"] >= drain.orders, max(1, stats["good"])
    seconds = (stats["last_good"] if whole else time.monotonic()) - first
    lines = [{**point, "at": point["at"] - first} for point in site.service.timeline()]
    times = seconds / (good / drain.per_second)
    reached = whole or stats["good"] >= drain.orders / 10
    return Drained(
        times if reached else None,
        good / seconds,
        own / good,
        whole,
        stats,
        lines,
        watch.openings,
        helpers / good,
    )


def _cpu(workers: list[Child]) -> tuple[float, float]:
    """Of the workers, and of the processes that they run."""
    return cpu_of(worker.pid for worker in workers), sum(cpu_of_children(worker.pid) for worker in workers)
