"""A whole site in a storm: producers and workers as processes, real servers, and somebody who breaks them.

storm = Storm(workshop, postgres, broker, orders=3000, seconds=60.0, seed=7)
try:
    verdict = storm.run()
finally:
    storm.close()
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from sqlalchemy import func, select

from breakwall.broker import QueueDepth
from breakwall.demo.children import python_module
from breakwall.demo.promises import PromiseReader
from breakwall.payments.database import Database, DatabaseUnavailableError
from breakwall.payments.migrate import upgrade
from breakwall.payments.schema import IN_FLIGHT, QUEUED, orders
from breakwall.settings import load_settings
from tests.chaos import storm_forecast as forecast
from tests.chaos.storm_duplicator import Duplicator
from tests.chaos.storm_forecast import Blow
from tests.chaos.storm_processes import PaymentService, Victim
from tests.chaos.storm_verdict import Verdict, judge
from tests.servers import PostgresServer, RabbitServer, RedisServer, Workshop

AnyServer = PostgresServer | RedisServer | RabbitServer

ROOT = Path(__file__).resolve().parents[2]

TIMEOUT, MARGIN = 2, 5
"""Seconds: the payment service's, and what a lease has beyond it (`breakwall.wiring.LEASE_MARGIN`)."""

SETTINGS = {
    "BREAKWALL_PAYMENT_TIMEOUT": str(TIMEOUT),
    # Nothing that left may arrive later than this, however busy the machine is.
    "BREAKWALL_PAYMENT_SETTLE_SECONDS": "3",
    # More failures than an operator would bear: an open circuit keeps orders from being hurt.
    "BREAKWALL_BREAKER__FAILURE_THRESHOLD": "10",
    "BREAKWALL_BREAKER__WINDOW": "5",
    "BREAKWALL_BREAKER__RECOVERY_TIMEOUT": "0.5",
    "BREAKWALL_RETRY__BASE": "0.2",
    "BREAKWALL_RETRY__CAP": "1",
    # Beyond reach: no order may end because the storm was long.
    "BREAKWALL_RETRY__MAX_ATTEMPTS": "1000",
    "BREAKWALL_DISPATCH__INTERVAL": "0.2",
    "BREAKWALL_DISPATCH__REPUBLISH_AFTER": "3",
}

SECRET = "storm-password-4711"
"""In the URLs of the database and of the payment service, which ask for none; it must turn up nowhere."""

TICK = 0.05


class NoRestError(Exception):
    """Orders were still under way when the time for the calm was over."""


class Storm:
    """One storm, from the first order to the verdict.

    Args:
        workshop: free ports, and a folder that goes with it.
        postgres, broker: running; the storm leaves them in whatever state.
        orders: how many in all.
        seconds: how long the storm lasts; the orders come evenly within it.
        seed: the same storm again, as far as real processes can do it.
        producers, workers: processes of each kind.
        calm: seconds at most until everything has come to rest after it.
        say: told in a sentence what happens.

    Attributes:
        caused: how often each fault was caused.
        folder: logs, records and the payment service's ledger.
    """

    def __init__(
        self,
        workshop: Workshop,
        postgres: PostgresServer,
        broker: RedisServer | RabbitServer,
        *,
        orders: int,
        seconds: float,
        seed: int,
        producers: int = 3,
        workers: int = 3,
        calm: float = 180.0,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.caused: Counter[str] = Counter()
        self.folder = workshop.subfolder(f"storm-{seed}")
        self.seconds = seconds
        self._postgres, self._broker = postgres, broker
        self._seed, self._calm, self._say = seed, calm, say
        self._kind = "redis" if isinstance(broker, RedisServer) else "rabbitmq"
        self._ports = (workshop.free_port(), workshop.free_port())
        self._settings = load_settings(environ := self._environ())
        self.service = PaymentService(self._ports, self.folder, environ, seed)
        self.database = Database(self._settings.database)
        self._workers = [self._worker(number, environ) for number in range(workers)]
        share, rate = orders // producers, orders / producers / seconds
        self._orders, self._rate = [share] * producers, rate
        self._orders[0] += orders - share * producers
        self._producers = [self._producer(number, environ) for number in range(producers)]
        self._records = [PromiseReader(self._record(number)) for number in range(producers)]
        self._duplicator = Duplicator(self._settings, self._records, seed)
        self._over = threading.Event()
        self._server_lanes = [
            self._lane(postgres, forecast.database_blows(seed)),
            self._lane(broker, forecast.broker_blows(seed, self._kind)),
        ]
        self._accidents: list[str] = []

    def run(self) -> Verdict:
        """Raise the storm, wait for the calm, and judge.

        Raises:
            NoRestError: orders are still under way after the time for the calm.
        """
        upgrade(self.database.engine)
        self.service.calm()
        for victim in (*self._workers, *self._producers):
            victim.start()
        self._duplicator.start()
        self._rage()
        self._say("calm")
        self._rest()
        return self._judge()

    def close(self) -> None:
        """End every process of the storm; the servers belong to whoever gave them."""
        self._over.set()
        for victim in (*self._producers, *self._workers):
            victim.kill()
        for lane in self._server_lanes:
            if lane.is_alive():
                lane.join()
        self.service.stop()
        self.database.close()

    # The storm

    def _rage(self) -> None:
        lanes = [
            Lane(forecast.process_blows(self._seed), self._strike_process),
            Lane(forecast.weathers(self._seed), self.service.change),
        ]
        for servers in self._server_lanes:
            servers.start()
        end = time.monotonic() + self.seconds
        while (now := time.monotonic()) < end:
            for lane in lanes:
                lane.strike_when_due(now)
            self._tend(now)
            time.sleep(TICK)
        self._over.set()
        for servers in self._server_lanes:
            servers.join()

    def _tend(self, now: float) -> None:
        """Wake the frozen, start the killed again, and note who ended without having been killed."""
        for victim in (*self._workers, *self._producers):
            victim.thaw_when_due(now)
            if not victim.running and not (victim in self._producers and victim.ended_well):
                self._accidents.append(victim.last_words)
                victim.start()

    def _strike_process(self, blow: Blow) -> None:
        workers = blow.name in {forecast.KILL_WORKER, forecast.FREEZE_WORKER}
        victims = self._workers if workers else [one for one in self._producers if one.running]
        if not victims:
            return
        victim = victims[int(blow.target * len(victims))]
        self.caused[blow.name] += 1
        if blow.name in {forecast.KILL_WORKER, forecast.KILL_PRODUCER}:
            victim.kill()
            victim.start()
        else:
            victim.freeze(blow.seconds + (TIMEOUT + MARGIN if workers else 0))

    def _lane(self, server: AnyServer, blows: Iterator[Blow]) -> threading.Thread:
        """A thread of its own: a server takes its time to come back, and the rest goes on meanwhile."""
        return threading.Thread(
            target=self._strike_servers, args=(server, blows), name=server.name, daemon=True
        )

    def _strike_servers(self, server: AnyServer, blows: Iterator[Blow]) -> None:
        for blow in blows:
            if self._over.wait(blow.pause):
                return
            _strike_server(server, blow)
            self.caused[blow.name.replace("broker", server.name)] += 1

    # The calm

    def _rest(self) -> None:
        self.service.calm()
        self._postgres.ensure_running()
        self._broker.ensure_running()
        deadline = time.monotonic() + self._calm
        self._wait(deadline, self._everything_is_settled)
        self._duplicator.finish()
        self._wait(deadline, self._nothing_is_queued)
        for victim in (*self._producers, *self._workers):
            victim.stop(TIMEOUT + MARGIN)

    def _wait(self, deadline: float, holds: Callable[[], bool]) -> None:
        while not holds():
            if time.monotonic() > deadline:
                raise NoRestError(self._under_way())
            self._tend(time.monotonic())
            time.sleep(4 * TICK)

    def _everything_is_settled(self) -> bool:
        return all(producer.ended_well for producer in self._producers) and self._open_orders() == 0

    def _open_orders(self) -> int:
        """How many wait or are being charged; -1 while the database does not answer."""
        counted = select(func.count()).where(orders.c.status.in_([QUEUED, IN_FLIGHT]))
        try:
            return self.database.read(lambda connection: connection.scalar(counted)) or 0
        except DatabaseUnavailableError:
            return -1

    def _nothing_is_queued(self) -> bool:
        depth = QueueDepth(self._settings)
        try:
            return depth() == 0
        finally:
            depth.close()

    def _under_way(self) -> str:
        busy = [victim.name for victim in self._producers if not victim.ended_well]
        return (
            f"no rest within {self._calm:g} s: {self._open_orders()} orders are open, "
            f"producers at work: {', '.join(busy) or 'none'}, "
            f"messages: {'none' if self._nothing_is_queued() else 'some'}"
        )

    def _judge(self) -> Verdict:
        for record in self._records:
            record.follow()
        logs = {path.name: path.read_text(errors="replace") for path in self.folder.glob("*.log")}
        return judge(
            self.database,
            self.service.ledger(),
            dict(zip(self._seeds(), self._records, strict=True)),
            dict(zip(self._seeds(), self._orders, strict=True)),
            accidents=self._accidents,
            logs=logs,
            secret=SECRET,
            duplicates=self._duplicator.published,
            caused=self.caused + self.service.caused,
        )

    # What it is made of

    def _environ(self) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("BREAKWALL_")}
        database = self._postgres.fresh_url().replace("postgres@", f"postgres:{SECRET}@")
        return {
            **inherited,
            **SETTINGS,
            "BREAKWALL_DATABASE_URL": database,
            # Not a virtual host of its own: a wiped RabbitMQ comes back with the default one alone.
            "BREAKWALL_BROKER_URL": self._broker.url(),
            "BREAKWALL_DATA_DIR": str(self.folder / "data"),
            "BREAKWALL_PAYMENT_URL": f"http://shop:{SECRET}@127.0.0.1:{self._ports[0]}",
            "PYTHONPATH": os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH")))),
            "PYTHONUNBUFFERED": "1",
        }

    def _worker(self, number: int, environ: dict[str, str]) -> Victim:
        options = ("-n", f"storm-{number}@%h", "--concurrency", "4", "--loglevel", "WARNING")
        command = python_module("celery", "-A", "worker", "worker", *options)
        return Victim(f"worker-{number}", command, environ, self.folder)

    def _producer(self, number: int, environ: dict[str, str]) -> Victim:
        said = {
            "--orders": self._orders[number],
            "--rate": self._rate,
            "--seed": self._seeds()[number],
            "--begin": time.monotonic(),
            "--record": self._record(number),
        }
        options = [str(part) for pair in said.items() for part in pair]
        command = python_module("tests.chaos.storm_customers", *options)
        return Victim(f"producer-{number}", command, environ, self.folder)

    def _seeds(self) -> list[int]:
        """Of the customers of each producer: their idempotency keys hold them."""
        return [100 * self._seed + number for number in range(len(self._orders))]

    def _record(self, number: int) -> Path:
        return self.folder / f"promises-{number}.jsonl"


class Lane:
    """Blows that fall one after the other, each after its predecessor's pause."""

    def __init__(self, blows: Iterator[Blow], strike: Callable[[Blow], None]) -> None:
        self._blows, self._strike = blows, strike
        self._due = 0.0

    def strike_when_due(self, now: float) -> None:
        if now < self._due:
            return
        blow = next(self._blows)
        self._strike(blow)
        self._due = time.monotonic() + blow.pause


def _strike_server(server: AnyServer, blow: Blow) -> None:
    """Returns when it is back."""
    match blow.name:
        case forecast.FREEZE_DATABASE | forecast.FREEZE_BROKER:
            server.pause()
        case forecast.WIPE_BROKER:
            server.wipe()
        case forecast.KILL_DATABASE | forecast.KILL_BROKER:
            server.kill()
        case forecast.ABORT_DATABASE:
            os.kill(server.pid, signal.SIGQUIT)
            while server.running:
                time.sleep(TICK)
            server.kill()
        case _:
            server.stop()
    time.sleep(blow.seconds)
    server.ensure_running()
