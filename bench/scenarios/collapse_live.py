"""The collapsing service beside live traffic of a tenth of its capacity: what the drain does to customers."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from bench.harness.circuit import CircuitWatch
from bench.harness.meters import quantile, waiting
from bench.harness.rows import Reach, Row
from bench.harness.site import Machine, Site
from bench.scenarios.collapse import BEHAVIOR, LATENCY, PLACES, RECOVERY, SLOTS, WORKERS

LIVE = 0.1 * PLACES / LATENCY  # Customers a second.


@dataclass(frozen=True)
class Size:
    orders: int
    alone: float
    limit: float


FULL = Size(8_000, 15, 70)
QUICK = Size(2_400, 5, 13)
SMALL = Size(2_000, 5, 15)


def run(machine: Machine, size: Size) -> list[Row]:
    with machine.site(BREAKER__RECOVERY_TIMEOUT=RECOVERY) as site:
        site.service.change(**BEHAVIOR)
        shop = site.shop("breakwall")
        shop.run("load", steps=[[2, LIVE, LIVE]])
        alone = shop.run("load", steps=[[size.alone, LIVE, LIVE]])
        site.enqueue(size.orders)
        site.service.change(reset=True)
        for number in range(WORKERS):
            site.worker(SLOTS, f"w{number}")
        with CircuitWatch(site.database_url) as watch:
            began = site.service.wait_for_first_call()
            shop.begin("load", steps=[[size.limit, LIVE, LIVE]])
            ended = _wait_for_the_end(site, began + size.limit)
            beside = shop.result()
        peak = site.service.stats()["peak"] / PLACES
    customers = [one for one in beside["customers"] if one[0] <= ended]
    before, during = _p99(alone["customers"]), _p99(customers)
    queued = 100 * sum(answer == "queued" for _, _, answer in customers) / len(customers)
    ideal = size.orders / (PLACES / LATENCY - LIVE)
    note = "cut off" if ended - began >= size.limit else ""
    return [
        Row("collapse_live", "time, × ideal", (ended - began) / ideal, {}, None, note),
        Row(
            "collapse_live",
            "live p99, ms",
            during * 1e3,
            {"alone": before * 1e3},
            Reach(at_most=1.3, ratio=True),
        ),
        Row("collapse_live", "live orders queued, %", queued, {}, Reach(at_most=10)),
        Row("collapse_live", "re-openings", watch.openings, {}, Reach(at_most=0)),
        Row("collapse_live", "most calls at once / places", peak, {}, None),
    ]


def _wait_for_the_end(site: Site, deadline: float) -> float:
    """The moment when no order waits any more, but the few that customers place just then."""
    assert site.database_url is not None
    while waiting(site.database_url) > 5 and time.monotonic() < deadline:
        time.sleep(0.2)
    return time.monotonic()


def _p99(customers: list[list[Any]]) -> float:
    return quantile((seconds for _, seconds, _ in customers), 0.99)
