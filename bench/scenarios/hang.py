"""The payment service hangs after 200 good calls; then 200 customers come within two seconds.

Each shop has 40 threads, for the customers who pay and for its other pages, and a time-out of 10 s. Whoever has no
answer two seconds after the last time-out of a first call has waited until then.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bench.harness.meters import quantile
from bench.harness.rows import Reach, Row
from bench.harness.site import Machine

THREADS = 40
BEFORE, CUSTOMERS = 200, 200
WAIT = 2.0  # Seconds: the default of PLACE__WAIT.


@dataclass(frozen=True)
class Size:
    timeout: float
    peers: tuple[str, ...] = ("plain Celery", "pybreaker", "direct call")


FULL = Size(timeout=10)
QUICK = Size(timeout=4, peers=("direct call",))
SMALL = Size(timeout=8, peers=())

CONTENDERS = {"plain Celery": "celery", "pybreaker": "pybreaker", "direct call": "direct"}


def run(machine: Machine, size: Size) -> list[Row]:
    """The peers' customers wait for the payment; so do ours, but not longer than `place` does."""
    ours = _measure(machine, "breakwall", size)
    peers = {name: _measure(machine, CONTENDERS[name], size) for name in size.peers}

    def row(what: str, of: str, reach: Reach) -> Row:
        return Row("hang", what, ours[of], {name: values[of] for name, values in peers.items()}, reach)

    return [
        row(f"answered within 1 s, of {CUSTOMERS}", "in_time", Reach(at_least=CUSTOMERS - 12)),
        row("the slowest answer, s", "slowest", Reach(at_most=WAIT + 0.5)),
        row("other pages, p99, s", "pages", Reach(at_most=0.1)),
    ]


def _measure(machine: Machine, contender: str, size: Size) -> dict[str, float]:
    with machine.site(PAYMENT_TIMEOUT=size.timeout) as site:
        site.environ["BENCH_TIMEOUT"] = str(size.timeout)
        if contender == "celery":
            site.celery(16)
        shop = site.shop(contender, THREADS)
        shop.run("load", steps=[[4, BEFORE / 4, BEFORE / 4]])
        site.service.change(hang_after=0)
        result = shop.run("load", steps=[[2, CUSTOMERS / 2, CUSTOMERS / 2]], drain=size.timeout + 2)
    return _values(result)


def _values(result: dict[str, Any]) -> dict[str, float]:
    customers, pages = result["customers"], result["pages"]
    answers = [seconds for _, seconds, answer in customers if answer in {"paid", "queued", "in_flight"}]
    return {
        "in_time": sum(seconds <= 1.0 for seconds in answers),
        "slowest": max(seconds for _, seconds, _ in customers),
        "pages": quantile((seconds for _, seconds in pages), 0.99),
    }
