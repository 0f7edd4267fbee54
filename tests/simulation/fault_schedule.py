"""Faults from outside: services down for a while, processes killed and paused."""

from collections.abc import Callable
from functools import partial

from tests.simulation.broker import Broker
from tests.simulation.engine import Process
from tests.simulation.observer import RunObserver
from tests.simulation.processes import WorkerProcess
from tests.simulation.scenario import LEASE, ScheduledFault
from tests.simulation.world import Part, World


class FaultSchedule(Part):
    """Causes the scheduled faults of a scenario. ``pick`` returns a live process whose name begins so, or None."""

    def __init__(
        self, world: World, broker: Broker, observer: RunObserver, pick: Callable[[str], Process | None]
    ) -> None:
        super().__init__(world)
        self._broker = broker
        self._observer = observer
        self._pick = pick

    def start(self, scheduled_faults: tuple[ScheduledFault, ...]) -> None:
        """Schedule each fault at its time."""
        for fault in scheduled_faults:
            self._engine.at(fault.at, partial(self._cause, fault))

    def _cause(self, fault: ScheduledFault) -> None:
        if not self._faults.active:
            return
        match fault.name:
            case "broker wiped":
                self._broker.wipe()
            case "worker killed" | "producer killed":
                self._to_one_of(fault, lambda process: self._observer.kill(process, "is killed"))
            case "worker stopped":
                self._to_one_of(fault, _stop)
            case "worker paused past its lease":
                self._to_one_of(fault, lambda process: self._observer.pause(process, LEASE + fault.seconds))
            case "producer paused":
                self._to_one_of(fault, lambda process: self._observer.pause(process, fault.seconds))
            case _:
                self._faults.down.add(fault.name)
                self._engine.after(fault.seconds, lambda: self._end(fault))
        self._faults.seen[fault.name] += 1
        self._trace.record("faults", f"{fault.name} ({fault.seconds:.1f} s)")

    def _to_one_of(self, fault: ScheduledFault, action: Callable[[Process], None]) -> None:
        process = self._pick(fault.name.partition(" ")[0])
        if process is not None:
            action(process)

    def _end(self, fault: ScheduledFault) -> None:
        self._faults.down.discard(fault.name)
        self._broker.wake_up()


def _stop(process: Process) -> None:
    assert isinstance(process, WorkerProcess)
    process.stop()
