"""What a chaos run tests: a database, a payment service, workers, and producers with their records."""

import os
import time
from dataclasses import dataclass
from pathlib import Path

from breakwall.demo.acknowledgements import AcknowledgementReader
from breakwall.payments.db.database import Database
from breakwall.processes.child import python_module
from breakwall.settings import load_settings
from breakwall.wiring import LEASE_MARGIN
from tests.chaos.brokers import ChaosBroker
from tests.chaos.processes import RestartedProcess, SimulatorProcess
from tests.servers import PostgresServer, Server, Workspace

ROOT = Path(__file__).resolve().parents[2]

TIMEOUT = 2  # Seconds that one request to the payment service may take.

LEASE = TIMEOUT + LEASE_MARGIN  # Seconds that a claim holds.

SETTINGS = {
    "BREAKWALL_PAYMENT_TIMEOUT": str(TIMEOUT),
    # No request may arrive later than this, however busy the machine is.
    "BREAKWALL_PAYMENT_SETTLE_SECONDS": "3",
    # More failures than in production: an open circuit would protect the orders from the faults.
    "BREAKWALL_BREAKER__FAILURE_THRESHOLD": "10",
    "BREAKWALL_BREAKER__WINDOW": "5",
    "BREAKWALL_BREAKER__RECOVERY_TIMEOUT": "0.5",
    "BREAKWALL_RETRY__BASE": "0.2",
    "BREAKWALL_RETRY__CAP": "1",
    # Out of reach: no order may be given up because the run was long.
    "BREAKWALL_RETRY__MAX_ATTEMPTS": "1000",
    "BREAKWALL_DISPATCH__INTERVAL": "0.2",
    "BREAKWALL_DISPATCH__REPUBLISH_AFTER": "3",
}

SECRET = "chaos-password-4711"
"""In the URLs of the database and of the payment service, which need none. It must appear nowhere else."""


@dataclass(frozen=True)
class Load:
    """The size of a run."""

    orders: int  # In all; they come evenly in that time.
    seconds: float  # How long faults occur.
    seed: int  # Repeats a run, as far as real processes can repeat it.
    producers: int = 3
    workers: int = 3


class Deployment:
    """Everything of one run but its servers, which must run. Nothing runs before it is started.

    Attributes:
        folder: logs, records and the payment service's ledger.
        seeds, orders: of each producer; the idempotency keys of its orders contain its seed.
        records: the answers that each producer's customers got.
    """

    def __init__(
        self,
        workspace: Workspace,
        postgres: PostgresServer,
        broker: ChaosBroker,
        load: Load,
        pooler: Server | None = None,
    ) -> None:
        seed, producers = load.seed, load.producers
        self.folder = workspace.subfolder(f"chaos-{seed}")
        self._ports = (workspace.free_port(), workspace.free_port())
        database = postgres.fresh_url()
        if pooler is not None:
            database = pooler.url(database.rpartition("/")[2])
        data = self.folder / "data"
        # Not a virtual host of its own: a wiped RabbitMQ comes back with the default one alone.
        environ = {**self._environ(database, data), **broker.environ(data)}
        self.settings = load_settings(environ)
        self.database = Database(self.settings.database)
        self.service = SimulatorProcess(self._ports, self.folder, environ, seed)
        self.seeds = [100 * seed + number for number in range(producers)]
        self.orders = [len(range(number, load.orders, producers)) for number in range(producers)]
        self._rate = load.orders / load.seconds / producers
        self.workers = [self._worker(number, environ) for number in range(load.workers)]
        self.producers = [self._producer(number, environ) for number in range(producers)]
        self.records = [AcknowledgementReader(self._record(number)) for number in range(producers)]

    def _environ(self, database: str, data: Path) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("BREAKWALL_")}
        database = database.replace("postgres@", f"postgres:{SECRET}@")
        return {
            **inherited,
            **SETTINGS,
            "BREAKWALL_DATABASE_URL": database,
            "BREAKWALL_DATA_DIR": str(data),
            "BREAKWALL_PAYMENT_URL": f"http://shop:{SECRET}@127.0.0.1:{self._ports[0]}",
            "PYTHONPATH": os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH")))),
            "PYTHONUNBUFFERED": "1",
        }

    def _worker(self, number: int, environ: dict[str, str]) -> RestartedProcess:
        options = ("-n", f"chaos-{number}@%h", "--concurrency", "4", "--loglevel", "WARNING")
        command = python_module("celery", "-A", "breakwall.worker", "worker", *options)
        return RestartedProcess(f"worker-{number}", command, environ, self.folder)

    def _producer(self, number: int, environ: dict[str, str]) -> RestartedProcess:
        options = {
            "--orders": self.orders[number],
            "--rate": self._rate,
            "--seed": self.seeds[number],
            "--begin": time.monotonic(),
            "--record": self._record(number),
        }
        arguments = [str(part) for pair in options.items() for part in pair]
        command = python_module("tests.chaos.customers", *arguments)
        return RestartedProcess(f"producer-{number}", command, environ, self.folder)

    def _record(self, number: int) -> Path:
        return self.folder / f"acknowledgements-{number}.jsonl"
