"""The payment service hangs after 200 good calls; then 1,000 customers come to a shop that is one event loop."""

from __future__ import annotations

from dataclasses import dataclass

from bench.harness.rows import NOT_THERE, Reach, Row
from bench.harness.site import Machine
from bench.scenarios.hang import BEFORE, WAIT


@dataclass(frozen=True)
class Size:
    customers: int
    timeout: float
    peers: bool = True


FULL = Size(1_000, 10)
QUICK = Size(1_000, 4, peers=False)
SMALL = Size(400, 8, peers=False)

Values = dict[str, float]


def run(machine: Machine, size: Size) -> list[Row]:
    """The peer calls in the threads of `asyncio.to_thread`."""
    ours = _measure(machine, "breakwall", size)
    peers = {"to_thread": _measure(machine, "direct", size)} if size.peers else {}

    def row(what: str, of: str, reach: Reach | None) -> Row:
        others = {name: values[of] for name, values in peers.items() if values}
        if ours is None:
            return Row("hang_async", what, None, others, reach, NOT_THERE)
        return Row("hang_async", what, ours[of], others, reach)

    return [
        row("the loop's longest pause, ms", "pause", Reach(at_most=50)),
        # What the pause is without other programs on the machine.
        row("its longest work in one piece, CPU ms", "work", Reach(at_most=50)),
        row(f"answered within 1 s, of {size.customers:,}", "in_time", None),
        row("the slowest answer, s", "slowest", Reach(at_most=WAIT + 0.5)),
    ]


def _measure(machine: Machine, contender: str, size: Size) -> Values | None:
    with machine.site(PAYMENT_TIMEOUT=size.timeout) as site:
        site.environ["BENCH_TIMEOUT"] = str(size.timeout)
        shop = site.shop(contender, module="bench.shop_async")
        if shop.greeting["missing"]:
            return None
        shop.run("load", seconds=2, customers=BEFORE)
        site.service.change(hang_after=0)
        result = shop.run("load", seconds=2, customers=size.customers)
    good = {"paid", "queued", "in_flight"}
    answers = [
        seconds for seconds, answer in result["customers"] if answer in good or answer.startswith("ch_")
    ]
    return {
        "pause": result["longest_pause"] * 1e3,
        "work": result["longest_work"] * 1e3,
        "in_time": sum(seconds <= 1.0 for seconds in answers),
        "slowest": max(seconds for seconds, _ in result["customers"]),
    }
