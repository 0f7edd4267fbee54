"""The invariants of the limit: no process has more calls in hand than the limit that it knows."""

from breakwall.breaker import BreakerStatus, CircuitState, Permit
from breakwall.breaker.circuit.shares import LIVE_EXTRA
from tests.simulation.engine import Process
from tests.simulation.trace import Violation
from tests.simulation.world import Part, World


class LimitObserver(Part):
    """Knows the permits whose calls may still run, by process."""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._running: dict[Process, list[tuple[Permit, bool]]] = {}

    def permit_given(
        self, process: Process, permit: Permit, status: BreakerStatus, *, background: bool
    ) -> None:
        """A process has got a permit; ``status``: what its breaker says now."""
        mine = [one for one in self._running.get(process, ()) if one[0].is_running]
        self._running[process] = mine = [*mine, (permit, background)]
        if permit.is_probe or status.limit is None or status.state is not CircuitState.CLOSED:
            return
        self._faults.seen["call under a limit"] += 1
        number = sum(kind is background for _, kind in mine)
        most = status.limit if background else status.limit + LIVE_EXTRA
        if number > most:
            kind = "background" if background else "live"
            raise Violation(
                f"{process.name} has {number} {kind} calls in hand, and the limit is {status.limit}"
            )
