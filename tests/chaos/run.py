"""A chaos run: producers and workers as processes, real servers, and faults in all of them.

run = ChaosRun(workspace, postgres, broker, Load(orders=3000, seconds=60.0, seed=7))
try:
    result = run.execute()
finally:
    run.close()
"""

import os
import signal
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator

from sqlalchemy import func, select

from breakwall.broker.depth import QueueDepth
from breakwall.payments.db.database import DatabaseUnavailableError
from breakwall.payments.db.migrate import upgrade
from breakwall.payments.db.schema import IN_FLIGHT, QUEUED, orders
from tests.chaos import fault_schedule
from tests.chaos.brokers import ChaosBroker
from tests.chaos.deployment import LEASE, SECRET, Deployment, Load
from tests.chaos.duplicator import Duplicator
from tests.chaos.fault_schedule import InjectedFault
from tests.chaos.result import ChaosResult, check
from tests.chaos.strange_messages import StrangeMessages
from tests.servers import PostgresServer, Server, Workspace

TICK = 0.05


class NoRestError(Exception):
    """Orders were still under way when the time to recover was over."""


class ChaosRun:
    """One run, from the first order to the result.

    Args:
        postgres, broker: running; the run leaves them in any state.
        pooler: running, between all processes and the database.
        recovery: seconds at most from the last fault until everything is at rest.
        say: called with sentences about the run.

    Attributes:
        caused: how often each fault was caused.
        deployment: what is tested.
    """

    def __init__(
        self,
        workspace: Workspace,
        postgres: PostgresServer,
        broker: ChaosBroker,
        load: Load,
        *,
        pooler: Server | None = None,
        recovery: float = 180.0,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.caused: Counter[str] = Counter()
        self.seconds, self._seed = load.seconds, load.seed
        self._postgres, self._broker, self._pooler = postgres, broker, pooler
        self._recovery, self._say = recovery, say
        self.deployment = Deployment(workspace, postgres, broker, load, pooler)
        self._duplicator = Duplicator(self.deployment.settings, self.deployment.records, load.seed)
        self._strange = StrangeMessages(broker.url)
        self._over = threading.Event()
        self._server_threads = [
            self._server_thread(
                postgres.name,
                self._fault_in_database,
                fault_schedule.database_faults(load.seed, small_disk=postgres.disk is not None),
            ),
            self._server_thread(
                broker.name,
                broker.inject,
                fault_schedule.broker_faults(load.seed, broker.kind, small_disk=broker.has_small_disk),
            ),
        ]
        if pooler is not None:
            self._server_threads.append(
                self._server_thread(
                    pooler.name, self._fault_in_pooler, fault_schedule.pooler_faults(load.seed)
                )
            )
        self._unexpected_ends: list[str] = []

    def execute(self) -> ChaosResult:
        """Inject faults, wait until everything is at rest, and check. Raises `NoRestError` if it never is."""
        upgrade(self.deployment.database.engine)
        self.deployment.service.clear_faults()
        for process in (*self.deployment.workers, *self.deployment.producers):
            process.start()
        self._duplicator.start()
        self._strange.start()
        self._inject_faults()
        self._say("no more faults")
        self._wait_for_rest()
        return self._check()

    def close(self) -> None:
        """End every process of the run; the servers belong to the caller."""
        self._over.set()
        for process in (*self.deployment.producers, *self.deployment.workers):
            process.kill()
        for thread in self._server_threads:
            if thread.is_alive():
                thread.join()
        self._duplicator.stop()
        self._strange.stop()
        self.deployment.service.stop()
        self.deployment.database.close()

    # Faults

    def _inject_faults(self) -> None:
        sequences = [
            FaultSequence(fault_schedule.process_faults(self._seed), self._fault_in_process),
            FaultSequence(fault_schedule.service_faults(self._seed), self.deployment.service.change),
        ]
        for thread in self._server_threads:
            thread.start()
        end = time.monotonic() + self.seconds
        while (now := time.monotonic()) < end:
            for sequence in sequences:
                sequence.inject_when_due(now)
            self._restart_ended(now)
            time.sleep(TICK)
        self._over.set()
        for thread in self._server_threads:
            thread.join()

    def _restart_ended(self, now: float) -> None:
        """Resume paused processes, restart ended ones, and record each end without a kill."""
        for process in (*self.deployment.workers, *self.deployment.producers):
            process.resume_when_due(now)
            if not process.running and not (process in self.deployment.producers and process.ended_well):
                self._unexpected_ends.append(process.last_words)
                process.start()

    def _fault_in_process(self, fault: InjectedFault) -> None:
        workers = fault.name in {fault_schedule.KILL_WORKER, fault_schedule.FREEZE_WORKER}
        processes = (
            self.deployment.workers if workers else [one for one in self.deployment.producers if one.running]
        )
        if not processes:
            return
        process = processes[int(fault.target * len(processes))]
        self.caused[fault.name] += 1
        if fault.name in {fault_schedule.KILL_WORKER, fault_schedule.KILL_PRODUCER}:
            process.kill()
            process.start()
        else:
            process.pause(fault.seconds + (LEASE if workers else 0))

    def _server_thread(
        self, name: str, inject: Callable[[InjectedFault], None], faults: Iterator[InjectedFault]
    ) -> threading.Thread:
        """A thread for each server: the others continue while it comes back."""
        return threading.Thread(
            target=self._fault_in_server, args=(name, inject, faults), name=name, daemon=True
        )

    def _fault_in_server(
        self, name: str, inject: Callable[[InjectedFault], None], faults: Iterator[InjectedFault]
    ) -> None:
        for fault in faults:
            if self._over.wait(fault.pause):
                return
            try:
                inject(fault)
            except Exception:  # a run whose faults have stopped unnoticed would prove nothing
                self._unexpected_ends.append(
                    f"{name} was to have the fault '{fault.name}': {traceback.format_exc()}"
                )
                return
            self.caused[fault.name.replace("broker", name, 1)] += 1

    def _fault_in_database(self, fault: InjectedFault) -> None:
        if fault.name not in fault_schedule.DATABASES_DISK:
            _inject(self._postgres, fault)
            return
        assert self._postgres.disk is not None
        with self._postgres.disk.filled():
            if fault.name == fault_schedule.PANIC_DATABASE:
                self._postgres.use_up_the_log()
            time.sleep(fault.seconds)
        self._postgres.ensure_running()

    def _fault_in_pooler(self, fault: InjectedFault) -> None:
        assert self._pooler is not None
        _inject(self._pooler, fault)

    # Recovery

    def _wait_for_rest(self) -> None:
        self.deployment.service.clear_faults()
        self._strange.stop()
        self._postgres.ensure_running()
        if self._pooler is not None:
            self._pooler.ensure_running()
        self._broker.ensure_running()
        deadline = time.monotonic() + self._recovery
        self._wait(deadline, self._all_orders_are_finished)
        self._duplicator.finish()
        self._wait(deadline, self._nothing_is_queued)
        for process in (*self.deployment.producers, *self.deployment.workers):
            process.stop(LEASE)

    def _wait(self, deadline: float, holds: Callable[[], bool]) -> None:
        while not holds():
            if time.monotonic() > deadline:
                raise NoRestError(self._under_way())
            self._restart_ended(time.monotonic())
            time.sleep(4 * TICK)

    def _all_orders_are_finished(self) -> bool:
        return all(producer.ended_well for producer in self.deployment.producers) and self._open_orders() == 0

    def _open_orders(self) -> int:
        """How many wait or are being charged; -1 while the database does not answer."""
        counted = select(func.count()).where(orders.c.status.in_([QUEUED, IN_FLIGHT]))
        try:
            return self.deployment.database.read(lambda connection: connection.scalar(counted)) or 0
        except DatabaseUnavailableError:
            return -1

    def _nothing_is_queued(self) -> bool:
        depth = QueueDepth(self.deployment.settings)
        try:
            return depth() == 0
        finally:
            depth.close()

    def _under_way(self) -> str:
        busy = [process.name for process in self.deployment.producers if not process.ended_well]
        return (
            f"no rest within {self._recovery:g} s: {self._open_orders()} orders are open, "
            f"producers at work: {', '.join(busy) or 'none'}, "
            f"messages: {'none' if self._nothing_is_queued() else 'some'}"
        )

    def _check(self) -> ChaosResult:
        for record in self.deployment.records:
            record.follow()
        logs = {path.name: path.read_text(errors="replace") for path in self.deployment.folder.glob("*.log")}
        return check(
            self.deployment.database,
            self.deployment.service.ledger(),
            dict(zip(self.deployment.seeds, self.deployment.records, strict=True)),
            dict(zip(self.deployment.seeds, self.deployment.orders, strict=True)),
            unexpected_ends=self._unexpected_ends,
            logs=logs,
            secret=SECRET,
            duplicates=self._duplicator.published,
            strange=self._strange.sent,
            caused=self.caused + self.deployment.service.caused,
        )


class FaultSequence:
    """Injects one fault after another, each after the pause of the one before."""

    def __init__(self, faults: Iterator[InjectedFault], inject: Callable[[InjectedFault], None]) -> None:
        self._faults, self._inject = faults, inject
        self._due = 0.0

    def inject_when_due(self, now: float) -> None:
        if now < self._due:
            return
        fault = next(self._faults)
        self._inject(fault)
        self._due = time.monotonic() + fault.pause


def _inject(server: Server, fault: InjectedFault) -> None:
    """Cause the fault; returns when the server is back."""
    match fault.name:
        case fault_schedule.FREEZE_DATABASE | fault_schedule.FREEZE_POOLER:
            server.pause()
        case fault_schedule.KILL_DATABASE | fault_schedule.KILL_POOLER:
            server.kill()
        case fault_schedule.ABORT_DATABASE:
            os.kill(server.pid, signal.SIGQUIT)
            while server.running:
                time.sleep(TICK)
            server.kill()
        case _:
            server.stop()
    time.sleep(fault.seconds)
    server.ensure_running()
