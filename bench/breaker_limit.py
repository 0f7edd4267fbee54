"""How the fleet's limit finds the capacity of services that collapse, queue, slow down or refuse, in virtual time.

``--only "collapse 12"`` runs the scenarios whose names begin so, ``--seeds`` is the number of runs, and ``--trace``
prints the limit every 0.2 s. `docs/adr/0006` explains the columns. All scenarios take a while.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.unit.breaker.fleet_simulation import (  # found by the path above
    SCENARIOS,
    Result,
    Scenario,
    Simulation,
    percentile,
)

HEADER = f"{'':36}  drain/ideal  re-opens  peak/N  wasted    429   live p99  live queued  limit at the end"


def row(name: str, scenario: Scenario, result: Result) -> str:
    return (
        f"{name:36}  {result.drained / result.ideal:8.2f}     {result.openings:5}"
        f"     {result.peak / scenario.places:5.2f}  {result.wasted / result.calls:6.2%}"
        f"  {result.throttled / result.calls:5.1%}  {percentile(result.live, 0.99) * 1000:6.0f} ms"
        f"  {result.live_queued / max(1, result.live_orders):10.1%}   {result.limit}"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="scenarios whose names begin so")
    parser.add_argument("--seeds", type=int, default=3, help="runs of each scenario")
    parser.add_argument("--trace", action="store_true", help="print the limit every 0.2 s")
    arguments = parser.parse_args()
    print(HEADER)
    for name, scenario in SCENARIOS.items():
        for seed in range(arguments.seeds if name.startswith(arguments.only) else 0):
            result = Simulation(scenario, seed).run()
            print(row(name, scenario, result), flush=True)
            if arguments.trace:
                print(*result.trace, sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
