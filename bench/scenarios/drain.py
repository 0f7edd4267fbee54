"""A healthy service of 20 ms, a backlog, one worker: the time as a multiple of the ideal, and the worker's CPU."""

from __future__ import annotations

from dataclasses import dataclass

from bench.harness.draining import Drain, drain_celery, drain_ours
from bench.harness.rows import Reach, Row
from bench.harness.site import Machine

LATENCY = 0.02


@dataclass(frozen=True)
class Size:
    orders: int
    limit: float
    slots: int = 16
    guarded: bool = True


FULL = Size(8_000, 60)
QUICK = Size(1_600, 15, guarded=False)
SMALL = Size(800, 20, guarded=False)


def run(machine: Machine, size: Size, name: str = "drain") -> list[Row]:
    drain = Drain(size.orders, size.slots, 1, {"latency": LATENCY}, size.slots / LATENCY, size.limit)
    plain, ours = drain_celery(machine, drain), drain_ours(machine, drain)
    times = {"plain Celery": plain.times_ideal}
    if size.guarded:
        times["pybreaker"] = drain_celery(machine, drain, "guarded").times_ideal
    cpu = {"plain Celery": plain.cpu * 1e3}
    return [
        Row(name, "time, × ideal", ours.times_ideal, times, Reach(at_most=0.9, ratio=True), ours.note),
        Row(name, "worker's CPU of an order, ms", ours.cpu * 1e3, cpu, Reach(at_most=0.7, ratio=True)),
    ]
