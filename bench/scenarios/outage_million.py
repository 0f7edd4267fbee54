"""The outage with a million orders that wait, all of them at the broker."""

from __future__ import annotations

from functools import partial

from bench.harness.at_broker import put_at_broker
from bench.harness.meters import commits
from bench.harness.rows import Row
from bench.harness.site import Machine
from bench.scenarios.outage import RECOVERY, SLOTS, Size, rows_of, watched

FULL = Size(1_000_000, 2, 30, 0, window=22, peers=())
QUICK = Size(100_000, 2, 14, 0, window=8, peers=())
SMALL = Size(60_000, 2, 14, 0, window=8, peers=())


def run(machine: Machine, size: Size) -> list[Row]:
    with machine.site(BREAKER__RECOVERY_TIMEOUT=RECOVERY) as site:
        at_broker = put_at_broker(site, size.waiting)
        ours = watched(site, size, lambda: site.worker(SLOTS), partial(commits, str(site.database_url)))
    note = "" if at_broker == size.waiting else f"{at_broker:,} of them at the broker"
    return rows_of("outage_million", ours, {}, note)
