"""A payment service that is well, but slow now and then: how many orders are queued that it would have charged."""

from __future__ import annotations

from dataclasses import dataclass

from bench.harness.rows import Reach, Row
from bench.harness.site import Machine

RATE = 60.0  # Customers a second.
THREADS = 200
TAILS = {
    "p99 = 10 × the median": {"tail": 10.0},
    "2 % take 3 s": {"slow_share": 0.02, "slow": 3.0},
}


@dataclass(frozen=True)
class Size:
    seconds: float


FULL = Size(20)
QUICK = Size(6)
SMALL = Size(6)


def run(machine: Machine, size: Size) -> list[Row]:
    return [
        Row("tails", f"queued, %: {name}", _queued(machine, behavior, size), {}, Reach(at_most=0.5))
        for name, behavior in TAILS.items()
    ]


def _queued(machine: Machine, behavior: dict[str, float], size: Size) -> float:
    with machine.site() as site:
        site.service.change(**behavior)
        shop = site.shop("breakwall", THREADS)
        shop.run("load", steps=[[2, 20, RATE]])
        customers = shop.run("load", steps=[[size.seconds, RATE, RATE]])["customers"]
    return 100 * sum(answer == "queued" for _, _, answer in customers) / len(customers)
