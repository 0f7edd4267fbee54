"""Measures the processor time of delivering an event to a webhook, without a drain beside it.

    python bench/delivery_cost.py [--events 3000] [--rounds 3]

A worker on PostgreSQL has nothing to charge. Then so many orders end at once, and it tells the shop of each. Processor
time depends less on the machine's other work than a speed does. Exits 1 if an event was lost.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from sqlalchemy import Engine, create_engine, text

from bench.harness.meters import cpu_of, cpu_of_children
from bench.harness.site import Machine, Site
from bench.outcomes import WAIT, Endpoint
from breakwall.processes.child import Child

SLOTS = 4
PLACE = """
INSERT INTO orders (id, idempotency_key, user_id, amount, currency, status, charge_key, next_attempt_at, dispatch_at,
                    created_at)
SELECT md5(n::text), 'cart-' || n, 'u1', 10000, 'KRW', 'queued', 'cart-' || n, later, later, now()
FROM generate_series(1, :events) AS n, (SELECT now() + interval '1 day' AS later) AS moment
"""
END = """
UPDATE orders SET status = 'paid', charge_id = 'ch_' || id, next_attempt_at = NULL, dispatch_at = NULL,
                  settled_at = now()
"""
END_ONE = f"{END} WHERE idempotency_key = 'cart-1'"
END_OTHERS = f"{END} WHERE status = 'queued'"


@dataclass(frozen=True)
class Cost:
    """Seconds of processor time for one event, and how many were delivered in a second.

    ``worker`` is with the process that delivers for it.
    """

    worker: float
    database: float
    per_second: float


def measure(machine: Machine, events: int) -> Cost:
    with Endpoint(machine) as endpoint, machine.site(**endpoint.settings) as site:
        assert site.database_url is not None
        engine = create_engine(site.database_url)
        try:
            return _deliver(machine, site, engine, endpoint, events)
        finally:
            engine.dispose()


def _deliver(machine: Machine, site: Site, engine: Engine, endpoint: Endpoint, events: int) -> Cost:
    with engine.begin() as connection:
        connection.execute(text(PLACE), {"events": events})
    worker = site.worker(SLOTS)
    _wait_for_destination(engine)
    with engine.begin() as connection:
        connection.execute(text(END_ONE))
    endpoint.finish(site, 1)  # The start of the process that delivers is not measured.
    endpoint.restart()
    with engine.begin() as connection:
        connection.execute(text(END_OTHERS))
    before = _cpu_of_both(machine, worker)
    endpoint.finish(site, events)
    after = _cpu_of_both(machine, worker)
    assert endpoint.told is not None
    if endpoint.told.different < events:
        raise RuntimeError(f"{events - endpoint.told.different} events were lost")
    return Cost((after[0] - before[0]) / events, (after[1] - before[1]) / events, endpoint.told.per_second)


def _wait_for_destination(engine: Engine) -> None:
    """Until the worker has registered its webhook: what ends before that is not told."""
    deadline = time.monotonic() + WAIT
    with engine.connect() as connection:
        while not connection.scalar(text("SELECT count(*) FROM destinations")):
            if time.monotonic() > deadline:
                raise RuntimeError("the worker has not started")
            connection.rollback()
            time.sleep(0.1)


def _cpu_of_both(machine: Machine, worker: Child) -> tuple[float, float]:
    """Of the worker and the process that delivers for it, and of the database."""
    ours, database = (cpu_of([pid]) + cpu_of_children(pid) for pid in (worker.pid, machine.postgres.pid))
    return ours, database


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--events", type=int, default=3000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with Machine() as machine:
        costs = [measure(machine, options.events) for _ in range(options.rounds)]
    for name, values in (
        ("the worker's CPU of an event, µs", [cost.worker * 1e6 for cost in costs]),
        ("the database's CPU of an event, µs", [cost.database * 1e6 for cost in costs]),
        ("events a second, without a drain", [cost.per_second for cost in costs]),
    ):
        print(
            f"{name:36} {statistics.median(values):5.0f}   ({', '.join(f'{value:.0f}' for value in values)})"
        )


if __name__ == "__main__":
    main()
