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
import traceback
from collections import Counter
from collections.abc import Callable, Iterator

from sqlalchemy import func, select

from breakwall.broker import QueueDepth
from breakwall.payments.db.database import DatabaseUnavailableError
from breakwall.payments.db.migrate import upgrade
from breakwall.payments.db.schema import IN_FLIGHT, QUEUED, orders
from tests.chaos import storm_forecast as forecast
from tests.chaos.storm_brokers import StormBroker
from tests.chaos.storm_duplicator import Duplicator
from tests.chaos.storm_forecast import Blow
from tests.chaos.storm_site import LEASE, SECRET, Site
from tests.chaos.storm_strangers import Strangers
from tests.chaos.storm_verdict import Verdict, judge
from tests.servers import PostgresServer, Server, Workshop

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
        pooler: between all of them and the database; running.
        calm: seconds at most until everything has come to rest after it.
        say: told in a sentence what happens.

    Attributes:
        caused: how often each fault was caused.
        site: what the storm rages over.
    """

    def __init__(
        self,
        workshop: Workshop,
        postgres: PostgresServer,
        broker: StormBroker,
        *,
        orders: int,
        seconds: float,
        seed: int,
        producers: int = 3,
        workers: int = 3,
        pooler: Server | None = None,
        calm: float = 180.0,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.caused: Counter[str] = Counter()
        self.seconds = seconds
        self._postgres, self._broker, self._pooler = postgres, broker, pooler
        self._seed, self._calm, self._say = seed, calm, say
        self.site = Site(
            workshop,
            postgres,
            broker,
            orders=orders,
            rate=orders / seconds,
            seed=seed,
            producers=producers,
            workers=workers,
            pooler=pooler,
        )
        self._duplicator = Duplicator(self.site.settings, self.site.records, seed)
        self._strangers = Strangers(broker.url)
        self._over = threading.Event()
        self._server_lanes = [
            self._lane(
                postgres.name,
                self._strike_database,
                forecast.database_blows(seed, small_disk=postgres.disk is not None),
            ),
            self._lane(
                broker.name,
                broker.strike,
                forecast.broker_blows(seed, broker.kind, small_disk=broker.has_small_disk),
            ),
        ]
        if pooler is not None:
            self._server_lanes.append(
                self._lane(pooler.name, self._strike_pooler, forecast.pooler_blows(seed))
            )
        self._accidents: list[str] = []

    def run(self) -> Verdict:
        """Raise the storm, wait for the calm, and judge.

        Raises:
            NoRestError: orders are still under way after the time for the calm.
        """
        upgrade(self.site.database.engine)
        self.site.service.calm()
        for victim in (*self.site.workers, *self.site.producers):
            victim.start()
        self._duplicator.start()
        self._strangers.start()
        self._rage()
        self._say("calm")
        self._rest()
        return self._judge()

    def close(self) -> None:
        """End every process of the storm; the servers belong to whoever gave them."""
        self._over.set()
        for victim in (*self.site.producers, *self.site.workers):
            victim.kill()
        for lane in self._server_lanes:
            if lane.is_alive():
                lane.join()
        self._duplicator.stop()
        self._strangers.stop()
        self.site.service.stop()
        self.site.database.close()

    # The storm

    def _rage(self) -> None:
        lanes = [
            Lane(forecast.process_blows(self._seed), self._strike_process),
            Lane(forecast.weathers(self._seed), self.site.service.change),
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
        for victim in (*self.site.workers, *self.site.producers):
            victim.thaw_when_due(now)
            if not victim.running and not (victim in self.site.producers and victim.ended_well):
                self._accidents.append(victim.last_words)
                victim.start()

    def _strike_process(self, blow: Blow) -> None:
        workers = blow.name in {forecast.KILL_WORKER, forecast.FREEZE_WORKER}
        victims = self.site.workers if workers else [one for one in self.site.producers if one.running]
        if not victims:
            return
        victim = victims[int(blow.target * len(victims))]
        self.caused[blow.name] += 1
        if blow.name in {forecast.KILL_WORKER, forecast.KILL_PRODUCER}:
            victim.kill()
            victim.start()
        else:
            victim.freeze(blow.seconds + (LEASE if workers else 0))

    def _lane(self, name: str, strike: Callable[[Blow], None], blows: Iterator[Blow]) -> threading.Thread:
        """A thread of its own: a server takes its time to come back, and the rest goes on meanwhile."""
        return threading.Thread(
            target=self._strike_server, args=(name, strike, blows), name=name, daemon=True
        )

    def _strike_server(self, name: str, strike: Callable[[Blow], None], blows: Iterator[Blow]) -> None:
        for blow in blows:
            if self._over.wait(blow.pause):
                return
            try:
                strike(blow)
            except Exception:  # a storm that has stopped unseen would prove nothing
                self._accidents.append(f"{name} was to meet '{blow.name}': {traceback.format_exc()}")
                return
            self.caused[blow.name.replace("broker", name, 1)] += 1

    def _strike_database(self, blow: Blow) -> None:
        if blow.name not in forecast.DATABASES_DISK:
            _strike(self._postgres, blow)
            return
        assert self._postgres.disk is not None
        with self._postgres.disk.filled():
            if blow.name == forecast.PANIC_DATABASE:
                self._postgres.use_up_the_log()
            time.sleep(blow.seconds)
        self._postgres.ensure_running()

    def _strike_pooler(self, blow: Blow) -> None:
        assert self._pooler is not None
        _strike(self._pooler, blow)

    # The calm

    def _rest(self) -> None:
        self.site.service.calm()
        self._strangers.stop()
        self._postgres.ensure_running()
        if self._pooler is not None:
            self._pooler.ensure_running()
        self._broker.ensure_running()
        deadline = time.monotonic() + self._calm
        self._wait(deadline, self._everything_is_settled)
        self._duplicator.finish()
        self._wait(deadline, self._nothing_is_queued)
        for victim in (*self.site.producers, *self.site.workers):
            victim.stop(LEASE)

    def _wait(self, deadline: float, holds: Callable[[], bool]) -> None:
        while not holds():
            if time.monotonic() > deadline:
                raise NoRestError(self._under_way())
            self._tend(time.monotonic())
            time.sleep(4 * TICK)

    def _everything_is_settled(self) -> bool:
        return all(producer.ended_well for producer in self.site.producers) and self._open_orders() == 0

    def _open_orders(self) -> int:
        """How many wait or are being charged; -1 while the database does not answer."""
        counted = select(func.count()).where(orders.c.status.in_([QUEUED, IN_FLIGHT]))
        try:
            return self.site.database.read(lambda connection: connection.scalar(counted)) or 0
        except DatabaseUnavailableError:
            return -1

    def _nothing_is_queued(self) -> bool:
        depth = QueueDepth(self.site.settings)
        try:
            return depth() == 0
        finally:
            depth.close()

    def _under_way(self) -> str:
        busy = [victim.name for victim in self.site.producers if not victim.ended_well]
        return (
            f"no rest within {self._calm:g} s: {self._open_orders()} orders are open, "
            f"producers at work: {', '.join(busy) or 'none'}, "
            f"messages: {'none' if self._nothing_is_queued() else 'some'}"
        )

    def _judge(self) -> Verdict:
        for record in self.site.records:
            record.follow()
        logs = {path.name: path.read_text(errors="replace") for path in self.site.folder.glob("*.log")}
        return judge(
            self.site.database,
            self.site.service.ledger(),
            dict(zip(self.site.seeds, self.site.records, strict=True)),
            dict(zip(self.site.seeds, self.site.orders, strict=True)),
            accidents=self._accidents,
            logs=logs,
            secret=SECRET,
            duplicates=self._duplicator.published,
            strangers=self._strangers.sent,
            caused=self.caused + self.site.service.caused,
        )


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


def _strike(server: Server, blow: Blow) -> None:
    """Returns when it is back."""
    match blow.name:
        case forecast.FREEZE_DATABASE | forecast.FREEZE_POOLER:
            server.pause()
        case forecast.KILL_DATABASE | forecast.KILL_POOLER:
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
