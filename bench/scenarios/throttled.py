"""A service that answers 429 above 400 calls a second, without a Retry-After: two workers with 32 slots in all."""

from __future__ import annotations

from bench.harness.draining import Drain, drain_celery, drain_ours
from bench.harness.rows import Reach, Row
from bench.harness.site import Machine
from bench.scenarios.collapse import LATENCY, RECOVERY, SLOTS, WORKERS, Size

RATE = 400.0

FULL = Size(8_000, 70)
QUICK = Size(2_000, 11)
SMALL = Size(1_600, 20, peers=False)


def run(machine: Machine, size: Size) -> list[Row]:
    drain = Drain(size.orders, SLOTS, WORKERS, {"latency": LATENCY, "rate": RATE}, RATE, size.limit)
    ours = drain_ours(machine, drain, BREAKER__RECOVERY_TIMEOUT=RECOVERY)
    peers = {"plain Celery": drain_celery(machine, drain)} if size.peers else {}

    def refused(stats: dict[str, float]) -> float:
        return 100 * stats["refused"] / stats["calls"]

    times = {name: one.times_ideal for name, one in peers.items()}
    others: dict[str, float | None] = {name: refused(one.stats) for name, one in peers.items()}
    return [
        Row("throttled", "time, × ideal", ours.times_ideal, times, Reach(at_most=1.5), ours.note),
        Row("throttled", "refused, %", refused(ours.stats), others, Reach(at_most=2)),
    ]
