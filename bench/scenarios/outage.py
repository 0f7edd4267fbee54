"""The payment service answers 503 while a long backlog is at the broker: what the outage costs, second by second."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise

from bench.harness.chart import Chart, Panel
from bench.harness.meters import Sampler, commits, cpu_of, redis_commands
from bench.harness.rows import Reach, Row
from bench.harness.site import Machine, Site
from bench.peers.fill import fill
from breakwall.processes.child import Child

RECOVERY = 5.0  # Seconds from an opening to the first probe; a failed probe doubles it.
PROBES = 3  # Of a round: the default of HALF_OPEN_MAX_CALLS.
SLOTS = 16


@dataclass(frozen=True)
class Size:
    waiting: int
    before: float
    down: float
    after: float
    window: float  # The last seconds of the outage, which are measured.
    peers: tuple[str, ...] = ("plain Celery", "pybreaker")


FULL = Size(100_000, 5, 30, 25, window=22)
QUICK = Size(20_000, 3, 14, 8, window=10, peers=("plain Celery",))
SMALL = Size(20_000, 2, 14, 0, window=8, peers=())

TASKS = {"plain Celery": "plain", "pybreaker": "guarded"}


@dataclass(frozen=True)
class Outage:
    """What was seen of one contender; ``start`` is when its worker began."""

    sampler: Sampler
    start: float
    down: tuple[float, float]
    size: Size

    def rate(self, name: str) -> float:
        end = self.down[1]
        return self.sampler.rate(name, end - self.size.window, end)


def run(machine: Machine, size: Size) -> list[Row]:
    ours = _ours(machine, size)
    peers = {peer: _celery(machine, size, TASKS[peer]) for peer in size.peers}
    machine.charts["outage"] = _chart({"ours": ours, **peers}, size)
    return rows_of("outage", ours, peers)


def rows_of(name: str, ours: Outage, peers: dict[str, Outage], note: str = "") -> list[Row]:
    calls = Row(name, "calls of one round of probes", _calls_a_round(ours), {}, Reach(at_most=PROBES))
    cores = _row(name, "the worker's cores", "cores", ours, peers, Reach(at_most=0.03))
    return [
        replace(cores, note=note),
        _row(name, "Redis commands a second", "redis", ours, peers, Reach(at_most=20)),
        _row(name, "commits a second", "commits", ours, {}, Reach(at_most=5)),
        _row(name, "calls a second", "calls", ours, peers, Reach(at_most=PROBES / RECOVERY)),
        calls,
    ]


def _row(name: str, what: str, of: str, ours: Outage, peers: dict[str, Outage], reach: Reach) -> Row:
    return Row(name, what, ours.rate(of), {peer: one.rate(of) for peer, one in peers.items()}, reach)


def _calls_a_round(outage: Outage) -> float:
    """The most calls that reached the service within half a second of the window: probes of a round come together."""
    end = outage.down[1]
    counts = [
        values["calls"] for at, values in outage.sampler.samples if end - outage.size.window <= at <= end
    ]
    return max(later - before for before, later in pairwise(counts))


def _ours(machine: Machine, size: Size) -> Outage:
    with machine.site(BREAKER__RECOVERY_TIMEOUT=RECOVERY) as site:
        site.enqueue(size.waiting)
        assert site.database_url is not None
        return watched(site, size, lambda: site.worker(SLOTS), partial(commits, site.database_url))


def _celery(machine: Machine, size: Size, task: str) -> Outage:
    with machine.site(BREAKER__RECOVERY_TIMEOUT=RECOVERY) as site:
        fill(site.redis_url, task, size.waiting)
        return watched(site, size, lambda: site.celery(SLOTS), lambda: 0)


def watched(site: Site, size: Size, worker: Callable[[], Child], done: Callable[[], int]) -> Outage:
    """Start the worker, and go through the outage; ``done`` is the total of commits."""
    child = worker()
    start = site.service.wait_for_first_call()
    totals: dict[str, Callable[[], float]] = {
        "cores": lambda: cpu_of([child.pid]),
        "redis": lambda: redis_commands(site.redis_url).total(),
        "commits": done,
        "calls": lambda: site.service.stats()["calls"],
        "good": lambda: site.service.stats()["good"],
    }
    with Sampler(**totals) as sampler:
        time.sleep(size.before)
        site.service.change(status=503)
        down = time.monotonic()
        time.sleep(size.down)
        site.service.change(status=None)
        up = time.monotonic()
        time.sleep(size.after)
    return Outage(sampler, start, (down, up), size)


def _chart(outages: dict[str, Outage], size: Size) -> Chart:
    def panel(title: str, of: str, *, logarithmic: bool = True) -> Panel:
        lines = {name: one.sampler.line(of, one.start) for name, one in outages.items()}
        shaded = (size.before, size.before + size.down, "the service answers 503")
        return Panel(title, lines, shaded=shaded, logarithmic=logarithmic)

    panels = [
        panel("calls a second at the payment service", "calls"),
        panel("orders charged a second", "good", logarithmic=False),
        panel("Redis commands a second", "redis"),
        panel("the worker's cores", "cores", logarithmic=False),
    ]
    return Chart(f"An outage with {size.waiting:,} orders at the broker", panels)
