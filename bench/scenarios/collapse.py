"""A service with 12 places that collapses above them: a long backlog, and two workers with 32 slots in all."""

from __future__ import annotations

from dataclasses import dataclass

from bench.harness.chart import Chart, Panel
from bench.harness.draining import Drain, Drained, drain_celery, drain_ours
from bench.harness.rows import Reach, Row
from bench.harness.site import Machine

PLACES, LATENCY = 12, 0.02
BEHAVIOR = {"latency": LATENCY, "places": PLACES}
RECOVERY = 5.0
SLOTS, WORKERS = 16, 2


@dataclass(frozen=True)
class Size:
    orders: int
    limit: float
    peers: bool = True


FULL = Size(8_000, 70)
QUICK = Size(2_400, 13)
SMALL = Size(2_000, 20, peers=False)


def run(machine: Machine, size: Size) -> list[Row]:
    drain = Drain(size.orders, SLOTS, WORKERS, BEHAVIOR, PLACES / LATENCY, size.limit)
    ours = drain_ours(machine, drain, BREAKER__RECOVERY_TIMEOUT=RECOVERY)
    peers = {"plain Celery": drain_celery(machine, drain)} if size.peers else {}
    machine.charts["recovery"] = _chart({"ours": ours, **peers}, size)
    times = {name: one.times_ideal for name, one in peers.items()}
    peaks = {name: one.stats["peak"] / PLACES for name, one in peers.items()}
    wasted = {name: 100 * one.wasted for name, one in peers.items()}
    return [
        Row("collapse", "time, × ideal", ours.times_ideal, times, Reach(at_most=2.0), ours.note),
        Row("collapse", "re-openings", ours.openings, {}, Reach(at_most=0)),
        Row(
            "collapse", "most calls at once / places", ours.stats["peak"] / PLACES, peaks, Reach(at_most=1.3)
        ),
        Row("collapse", "wasted calls, %", 100 * ours.wasted, wasted, Reach(at_most=1)),
    ]


def _chart(drains: dict[str, Drained], size: Size) -> Chart:
    in_hand = {name: [(p["at"], p["in_hand"]) for p in one.timeline] for name, one in drains.items()}
    charged = {name: _running_total(one) for name, one in drains.items()}
    ideal = (float(size.orders), "all")
    panels = [
        Panel("most calls in hand at the payment service", in_hand, limit=(PLACES, f"its {PLACES} places")),
        Panel("orders charged", charged, limit=ideal),
    ]
    return Chart(f"{size.orders:,} orders wait for a service that collapses above {PLACES} calls", panels)


def _running_total(drained: Drained) -> list[tuple[float, float]]:
    total, line = 0.0, []
    for point in drained.timeline:
        total += point["good"]
        line.append((point["at"], total))
    return line
