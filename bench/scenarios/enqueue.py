"""`enqueue` of many orders beside as many `task.delay()`, each in one thread, in turns."""

from __future__ import annotations

from bench.harness.rows import Reach, Row
from bench.harness.site import Machine
from bench.scenarios.place import Size

FULL = Size(20_000, rounds=3)
QUICK = Size(3_000, rounds=3)
SMALL = Size(2_000, rounds=2)


def run(machine: Machine, size: Size) -> list[Row]:
    with machine.site() as site:
        ours, celery = site.shop("breakwall"), site.shop("celery-delay")
        celery.run("rush", count=200, threads=1)
        ours.run("enqueue", count=200)
        rates: list[float] = []
        others: list[float] = []
        for _ in range(size.rounds):
            rates.append(size.orders / ours.run("enqueue", count=size.orders)["seconds"])
            others.append(size.orders / celery.run("rush", count=size.orders, threads=1)["seconds"])
    peer = {"task.delay()": max(others)}
    return [Row("enqueue", "orders a second", max(rates), peer, Reach(at_least=5, ratio=True))]
