"""What `place` costs: while the circuit is closed, beside a direct call; while it is open, beside `task.delay()`.

Sixteen threads pay as fast as they can, in rounds in which the contenders take turns.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bench.harness.meters import quantile
from bench.harness.rows import Reach, Row
from bench.harness.site import Machine, ShopClient

LATENCY = 0.005
THREADS = 16


@dataclass(frozen=True)
class Size:
    orders: int
    rounds: int = 5


FULL = Size(3_000)
QUICK = Size(600)
SMALL = Size(400, rounds=3)

Round = dict[str, Any]


def run(machine: Machine, size: Size) -> list[Row]:
    return [*_closed(machine, size), *_open(machine, size)]


def _closed(machine: Machine, size: Size) -> list[Row]:
    with machine.site() as site:
        site.service.change(latency=LATENCY)
        ours, direct = _in_turns([site.shop("breakwall"), site.shop("direct")], size, THREADS)
    # An order that is queued costs less: on a machine with other work the service may seem to hang.
    ours = [one for one in ours if set(one["answers"]) == {"paid"}]
    if not ours:
        raise RuntimeError("orders were queued in each round: the machine is too busy to measure `place`")

    def best(what: str, value: Any, reach: Reach | None) -> Row:
        return Row("place", what, min(map(value, ours)), {"direct call": min(map(value, direct))}, reach)

    return [
        best("closed: CPU of an order, ms", _cpu, Reach(at_most=1.3)),
        best("closed: p90, ms", lambda one: 1e3 * quantile(one["latencies"], 0.9), Reach(at_most=40)),
        best("closed: p99, ms", lambda one: 1e3 * quantile(one["latencies"], 0.99), None),
    ]


def _open(machine: Machine, size: Size) -> list[Row]:
    with machine.site() as site:
        site.breakwall("breaker", "force-open", "--reason", "measured")
        ours, celery = _in_turns([site.shop("breakwall"), site.shop("celery-delay")], size, THREADS)
    for one in ours:
        if set(one["answers"]) != {"queued"}:
            raise RuntimeError(f"the circuit is open, and yet: {one['answers']}")
    rate, other = max(map(_rate, ours)), max(map(_rate, celery))
    cpu = {"task.delay()": min(map(_cpu, celery))}
    return [
        Row("place", "open: orders a second", rate, {"task.delay()": other}, Reach(at_least=1.0, ratio=True)),
        Row("place", "open: CPU of an order, ms", min(map(_cpu, ours)), cpu),
    ]


def _in_turns(shops: list[ShopClient], size: Size, threads: int) -> list[list[Round]]:
    """The rounds of each shop, without the first."""
    for shop in shops:
        shop.run("rush", count=size.orders // 4, threads=threads)
    rounds = [
        [shop.run("rush", count=size.orders, threads=threads) for shop in shops] for _ in range(size.rounds)
    ]
    return [list(of_one) for of_one in zip(*rounds, strict=True)]


def _cpu(one: Round) -> float:
    return float(one["cpu"] / len(one["latencies"]) * 1e3)


def _rate(one: Round) -> float:
    return float(len(one["latencies"]) / one["seconds"])
