"""Where the processor time of `place` goes while the circuit is closed: docs/benchmarks.md says why it is not less.

    python bench/place_profile.py [--orders N]

One process with sixteen threads on PostgreSQL and Redis; the payment service takes 5 ms. The parts are processor time
of the threads that run them, so that a busy machine changes the shares little.
"""

from __future__ import annotations

import argparse
import functools
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.order_cost import DurablePostgres, measure, order, payment_service
from breakwall.breaker import CircuitBreaker, Permit
from breakwall.payments.db.database import Database
from breakwall.payments.db.migrate import upgrade
from breakwall.payments.gateways.http import HttpGateway
from breakwall.settings import load_settings
from producers import OrderProducer
from tests.servers import RedisServer, Workspace

THREADS = 16
PARTS: dict[str, list[tuple[type, str]]] = {
    "the two transactions (SQLAlchemy and the driver)": [(Database, "write")],
    "the call of the payment service": [(HttpGateway, "charge")],
    "the breaker": [(CircuitBreaker, "acquire"), (Permit, "record_success")],
}


def timed(part: str, spent: dict[str, float], work: Callable[..., Any]) -> Callable[..., Any]:
    """``work``, which adds its thread's processor time in seconds to ``spent``."""

    @functools.wraps(work)
    def run(*arguments: Any, **options: Any) -> Any:
        began = time.thread_time()
        try:
            return work(*arguments, **options)
        finally:
            spent[part] += time.thread_time() - began

    return run


def profiled(environment: dict[str, str], orders: int) -> tuple[float, dict[str, float]]:
    """Processor time of an order in milliseconds: of the process, and of each part."""
    settings = load_settings(environment)
    upgrade(Database(settings.database).engine)
    spent: dict[str, float] = defaultdict(float)
    for part, functions in PARTS.items():
        for owner, name in functions:
            setattr(owner, name, timed(part, spent, getattr(owner, name)))
    with OrderProducer.from_settings(settings) as producer:
        measure(lambda: producer.place(order()), THREADS, orders // 4)
        spent.clear()
        cost = measure(lambda: producer.place(order()), THREADS, orders)
    return cost.cpu, {part: seconds / orders * 1000 for part, seconds in spent.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--orders", type=int, default=3000)
    orders = parser.parse_args().orders
    workspace = Workspace()
    postgres, redis = DurablePostgres(workspace), RedisServer(workspace)
    try:
        postgres.start()
        redis.start()
        with payment_service() as url:
            servers = {"BREAKWALL_DATABASE_URL": postgres.fresh_url(), "BREAKWALL_BROKER_URL": redis.url()}
            home = {"BREAKWALL_DATA_DIR": str(workspace.subfolder("home"))}
            whole, parts = profiled({"BREAKWALL_PAYMENT_URL": url, **servers, **home}, orders)
    finally:
        redis.close()
        postgres.close()
        workspace.close()
    parts["the rest: threads, the order, log"] = whole - sum(parts.values())
    for part, milliseconds in [*parts.items(), ("all", whole)]:
        print(f"{part:50} {milliseconds:6.3f} ms {milliseconds / whole:6.0%}")


if __name__ == "__main__":
    main()
