"""The drain with 64 slots."""

from __future__ import annotations

from bench.harness.draining import Drain, drain_celery, drain_ours
from bench.harness.rows import Reach, Row
from bench.harness.site import Machine
from bench.scenarios.drain import LATENCY, Size

FULL = Size(20_000, 60, slots=64)
QUICK = Size(4_000, 15, slots=64)
SMALL = Size(2_000, 15, slots=64)


def run(machine: Machine, size: Size) -> list[Row]:
    drain = Drain(size.orders, size.slots, 1, {"latency": LATENCY}, size.slots / LATENCY, size.limit)
    plain, ours = drain_celery(machine, drain), drain_ours(machine, drain)
    times, rate = {"plain Celery": plain.times_ideal}, {"plain Celery": plain.per_second}
    return [
        Row("drain_64", "time, × ideal", ours.times_ideal, times, Reach(at_most=1.0, ratio=True), ours.note),
        Row("drain_64", "orders a second", ours.per_second, rate, Reach(at_least=1_000)),
    ]
