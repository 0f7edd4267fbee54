"""The drain on SQLite with the embedded broker. A peer has nothing like it."""

from __future__ import annotations

from bench.harness.draining import Drain, drain_ours
from bench.harness.rows import Reach, Row
from bench.harness.site import Machine
from bench.scenarios.drain import LATENCY, Size

FULL = Size(8_000, 60)
QUICK = Size(1_600, 15)
SMALL = Size(600, 15)


def run(machine: Machine, size: Size) -> list[Row]:
    behavior = {"latency": LATENCY}
    drain = Drain(size.orders, size.slots, 1, behavior, size.slots / LATENCY, size.limit, embedded=True)
    ours = drain_ours(machine, drain)
    return [Row("drain_sqlite", "time, × ideal", ours.times_ideal, {}, Reach(at_most=2.0), ours.note)]
