"""Runs the scenarios, prints their rows, and writes rows and charts.

    python -m bench --quick --only drain --only place

Exits 1 if a row is not held, 2 if a scenario failed, or at once if a peer's package is not installed.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import os
import platform
import sys
import time
import traceback
from datetime import UTC, datetime
from pathlib import Path

from bench.harness.page import put_into
from bench.harness.rows import Row, table
from bench.harness.site import ROOT, Machine

DOCS = ROOT / "docs"

SCENARIOS = (
    "hang",
    "hang_async",
    "tails",
    "outage",
    "outage_million",
    "drain",
    "drain_64",
    "drain_sqlite",
    "place",
    "enqueue",
    "collapse",
    "collapse_live",
    "throttled",
    "backlog_million",
    "valentine",
)


PACKAGES = ("pybreaker",)  # Of the peers; Celery is ours too.


def main() -> int:
    options = _parser().parse_args()
    if lacking := [name for name in PACKAGES if importlib.util.find_spec(name) is None]:
        _say(f"a peer's package is not installed ({', '.join(lacking)}): pip install -e '.[bench]'")
        return 2
    rows, failed = [], []
    began = time.monotonic()
    conditions = _conditions(options.quick)
    with Machine() as machine:
        for name in options.only or SCENARIOS:
            _say(f"[{time.monotonic() - began:4.0f} s] {name}")
            try:
                rows += _run(machine, name, quick=options.quick)
            except Exception:
                traceback.print_exc()
                failed.append(name)
        conditions |= {"postgresql": machine.postgres.description, "redis": machine.redis.description}
        conditions["seconds"] = round(time.monotonic() - began)
    sys.stdout.write(f"\n{table(rows)}\n")
    _write(options, rows, machine, conditions)
    for name in failed:
        _say(f"the scenario {name} failed")
    return 2 if failed else int(any(row.held is False for row in rows))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", action="append", choices=SCENARIOS, help="this scenario; may be repeated")
    parser.add_argument("--quick", action="store_true", help="small sizes: less than five minutes in all")
    parser.add_argument(
        "--out", type=Path, default=Path(".bench"), help="the folder of results.json and the charts"
    )
    parser.add_argument(
        "--docs", action="store_true", help="write into docs/benchmarks and docs/benchmarks.md"
    )
    return parser


def _run(machine: Machine, name: str, *, quick: bool) -> list[Row]:
    scenario = importlib.import_module(f"bench.scenarios.{name}")
    rows: list[Row] = scenario.run(machine, scenario.QUICK if quick else scenario.FULL)
    for row in rows:
        _say("    " + " | ".join(row.cells))
    return rows


def _conditions(quick: bool) -> dict[str, object]:
    return {
        "size": "quick" if quick else "full",
        "at": datetime.now(UTC).isoformat(timespec="minutes"),
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1),
    }


def _write(
    options: argparse.Namespace, rows: list[Row], machine: Machine, conditions: dict[str, object]
) -> None:
    out = DOCS / "benchmarks" if options.docs else options.out
    out.mkdir(parents=True, exist_ok=True)
    document = {"conditions": conditions, "rows": [row.as_json() for row in rows]}
    (out / "results.json").write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    for name, chart in machine.charts.items():
        chart.write(out / f"{name}.svg")
    if options.docs:
        put_into(DOCS / "benchmarks.md", rows, conditions)


def _say(words: str) -> None:
    sys.stderr.write(words + "\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
