"""What it costs on PostgreSQL to prepare no statement, and to set the timeouts within each transaction.

    python bench/pooler_cost.py

Places orders with three engines in turns, in one process and one run: as before (timeouts as start-up options,
statements prepared after five uses), as now, and as now with prepared statements. Prints the processor time of this
process and of the server for each order, and its ratio to that of the first engine.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import psutil
from sqlalchemy import Engine, create_engine, event, make_url

from breakwall.payments.db import postgres
from breakwall.payments.db.database import Database
from breakwall.payments.db.migrate import upgrade
from breakwall.payments.ledger.ledger import Ledger
from breakwall.payments.orders import Order
from tests.servers import PostgresServer, Workspace

ROUNDS = 12
ORDERS = 250
OPTIONS = "-c statement_timeout=30000 -c lock_timeout=5000 -c idle_in_transaction_session_timeout=30000"


def before(url: str) -> Engine:
    parameters = {"client_encoding": "utf8", "options": OPTIONS}
    return create_engine(url, connect_args=parameters, hide_parameters=True)


def now(url: str) -> Engine:
    return postgres.open_postgresql(make_url(url), hide_parameters=True)


def prepared(url: str) -> Engine:
    engine = now(url)

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, record: object) -> None:
        connection.prepare_threshold = 5

    return engine


def main() -> int:
    workspace = Workspace()
    server = PostgresServer(workspace)
    server.start()
    try:
        compare(server, {"before": before, "now": now, "now, prepared": prepared})
    finally:
        server.close()
        workspace.close()
    return 0


def compare(server: PostgresServer, kinds: dict[str, Callable[[str], Engine]]) -> None:
    url = server.fresh_url()
    ledgers = {}
    for name, make in kinds.items():
        database = Database(url)
        upgrade(database.engine)
        database.engine = make(url)
        ledgers[name] = Ledger(database, lease=15.0)
        place(ledgers[name], f"warm {name}", 20)
    spent: dict[str, list[tuple[float, float]]] = {name: [] for name in kinds}
    for number in range(ROUNDS):
        for name, ledger in ledgers.items():
            spent[name].append(cost(server, lambda: place(ledger, f"{number} {name}", ORDERS)))  # noqa: B023
    report(spent)


def place(ledger: Ledger, name: str, count: int) -> None:
    for number in range(count):
        key = f"{name}-{number}"
        ledger.accept_sending(Order(user_id="u1", amount=1000, currency="KRW", idempotency_key=key))


def cost(server: PostgresServer, work: Callable[[], None]) -> tuple[float, float]:
    """Milliseconds of this process's and the server's processor time for one order."""
    ours, theirs = time.process_time(), server_time(server)
    work()
    return (time.process_time() - ours) * 1000 / ORDERS, (server_time(server) - theirs) * 1000 / ORDERS


def server_time(server: PostgresServer) -> float:
    family = psutil.Process(server.pid)
    return sum(sum(member.cpu_times()[:2]) for member in family.children(recursive=True))


def report(spent: dict[str, list[tuple[float, float]]]) -> None:
    base = sum(statistics.median(column) for column in zip(*spent["before"], strict=True))
    for name, rounds in spent.items():
        ours, theirs = (statistics.median(column) for column in zip(*rounds, strict=True))
        print(
            f"{name}: {ours:.2f} ms here, {theirs:.2f} ms in the server, ratio {(ours + theirs) / base:.2f}"
        )


if __name__ == "__main__":
    sys.exit(main())
