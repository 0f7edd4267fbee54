"""The 14th of February: traffic grows fifteenfold, the payment service's places run out, it hangs, and recovers.

A day in a minute. The service has 20 places of 0.12 s, which is 167 calls a second; above them each new call hangs for
10 s and fails. The shop has 40 threads. Direct calls wait for the payment. Plain Celery hands every order to its queue,
whose two workers have 32 slots in all, as ours have.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import redis

from bench.harness.chart import Chart, Panel, Points
from bench.harness.meters import Sampler, quantile, waiting
from bench.harness.rows import Reach, Row
from bench.harness.site import Machine, Site

PLACES, LATENCY, HANG = 20, 0.12, 10.0
USUAL, PEAK = 12.0, 180.0  # Customers a second.
THREADS, SLOTS, WORKERS = 40, 16, 2
TIMEOUT = 10.0
ACCEPTED = {"paid", "queued", "in_flight"}
CONTENDERS = {
    "direct call": "direct",
    "pybreaker": "pybreaker",
    "plain Celery": "celery-delay",
    "ours": "breakwall",
}

QUEUES = ("plain Celery", "ours")


@dataclass(frozen=True)
class Size:
    """``scale``: 1 is a day in a minute. ``patience``: seconds after the day in which the queues may empty.

    Too many calls at once cost the recovery a whole `HANG`, so the patience is longer than a few of them.
    """

    scale: float
    patience: float
    contenders: tuple[str, ...] = tuple(CONTENDERS)


FULL = Size(1.0, 60)
QUICK = Size(0.3, 45, contenders=("direct call", "ours"))
SMALL = Size(0.2, 2, contenders=("ours",))

Customers = list[list[Any]]


@dataclass(frozen=True)
class Day:
    """What was seen of one contender; seconds count from the first customer.

    ``recovered``: the seconds from the end of the day until every order was charged; None if the queue did not empty,
    or if there is none.
    """

    customers: Customers
    pages: list[list[float]]
    timeline: list[dict[str, float]]
    backlog: Points
    recovered: float | None
    double: int


def run(machine: Machine, size: Size) -> list[Row]:
    days = {name: _live(machine, size, CONTENDERS[name]) for name in size.contenders}
    machine.charts["valentine"] = _chart(days)

    def row(what: str, value: Callable[[Day], float | None], reach: Reach | None = None) -> Row:
        values = {name: value(day) for name, day in days.items()}
        ours = values.pop("ours")
        return Row("valentine", what, ours, values, reach)

    return [
        row("customers without an order, %", _refused, Reach(at_most=0)),
        row(
            "customers' p99, s",
            lambda day: quantile((one[1] for one in day.customers), 0.99),
            Reach(at_most=2.5),
        ),
        row(
            "other pages, p99, s",
            lambda day: quantile((one[1] for one in day.pages), 0.99),
            Reach(at_most=0.1),
        ),
        _recovery(days),
        row("orders charged twice", lambda day: float(day.double), Reach(at_most=0)),
    ]


def _recovery(days: dict[str, Day]) -> Row:
    """Of those who have a queue: a direct call has nothing left to charge."""
    values = {name: day.recovered for name, day in days.items() if name in QUEUES}
    ours = values.pop("ours")
    return Row("valentine", "all charged, s after the day", ours, values)


def _refused(day: Day) -> float:
    return 100 * sum(answer not in ACCEPTED for _, _, answer in day.customers) / len(day.customers)


def _steps(scale: float) -> list[list[float]]:
    day = [[8, USUAL, USUAL], [10, USUAL, PEAK], [16, PEAK, PEAK], [10, PEAK, USUAL], [16, USUAL, USUAL]]
    return [[seconds * scale, first, last] for seconds, first, last in day]


def _live(machine: Machine, size: Size, contender: str) -> Day:
    with machine.site(BREAKER__RECOVERY_TIMEOUT=5, PAYMENT_TIMEOUT=TIMEOUT) as site:
        site.service.change(latency=LATENCY, places=PLACES, collapse=HANG)
        backlog = _start_workers(site, contender)
        shop = site.shop(contender, THREADS)
        shop.run("load", steps=[[2, 5, USUAL]])
        site.service.change(reset=True)
        start = time.monotonic()
        with Sampler(backlog=backlog) as sampler:
            result = shop.run("load", steps=_steps(size.scale), drain=TIMEOUT * 2)
            ended = max(at for at, _, _ in result["customers"])
            recovered = _wait_until_empty(backlog, ended, size.patience)
            time.sleep(1)
        timeline = [{**point, "at": point["at"] - start} for point in site.service.timeline()]
        double = site.service.stats()["double"]
    customers = [[at - start, seconds, answer] for at, seconds, answer in result["customers"]]
    pages = [[at - start, seconds] for at, seconds in result["pages"]]
    return Day(customers, pages, timeline, sampler.values("backlog", start), recovered, double)


def _start_workers(site: Site, contender: str) -> Callable[[], float]:
    """Start them, and return how the length of their queue is read."""
    start = {"breakwall": site.worker, "celery-delay": site.celery}.get(contender)
    for number in range(WORKERS if start else 0):
        assert start is not None
        start(SLOTS, f"w{number}")
    url = site.database_url
    assert url is not None
    if contender == "breakwall":
        return lambda: waiting(url)
    return lambda: _messages(site.redis_url)


def _messages(url: str) -> float:
    """The messages that wait, and those that a worker has taken and not finished."""
    with redis.Redis.from_url(url) as client:
        return float(client.llen("bench")) + float(client.hlen("unacked"))


def _wait_until_empty(backlog: Callable[[], float], ended: float, patience: float) -> float | None:
    while time.monotonic() < ended + patience:
        if backlog() == 0:
            return time.monotonic() - ended
        time.sleep(0.2)
    return None


def _chart(days: dict[str, Day]) -> Chart:
    in_hand = {
        name: [(point["at"], point["in_hand"]) for point in day.timeline] for name, day in days.items()
    }
    latency = {
        name: _each_second(day.customers, lambda some: quantile((s for s, _ in some), 0.99))
        for name, day in days.items()
    }
    queued = {
        name: _each_second(day.customers, lambda some: sum(answer == "queued" for _, answer in some))
        for name, day in days.items()
        if name in QUEUES
    }
    backlog = {name: day.backlog for name, day in days.items() if name in queued}
    lost = {
        name: _each_second(day.customers, lambda some: sum(answer not in ACCEPTED for _, answer in some))
        for name, day in days.items()
    }
    return Chart(
        "The 14th of February in a minute: traffic grows fifteenfold",
        [
            Panel("customers' latency, p99 of each second, in seconds", latency, logarithmic=True),
            Panel("customers without an order, in each second", lost),
            Panel("orders queued in each second", queued),
            Panel(
                "most calls in hand at the payment service", in_hand, limit=(PLACES, f"its {PLACES} places")
            ),
            Panel("backlog: orders that wait", backlog),
        ],
    )


def _each_second(customers: Customers, value: Callable[[list[tuple[float, str]]], float]) -> Points:
    """A value of those who came within each second; one of ``(latency, answer)`` for each."""
    seconds: dict[int, list[tuple[float, str]]] = defaultdict(list)
    for at, lasted, answer in customers:
        seconds[int(at)].append((lasted, answer))
    return [(second, value(some)) for second, some in sorted(seconds.items())]
