"""What an operator, or a program, decides for a circuit in all processes: overrides, and a reset."""

from enum import StrEnum

from breakwall.breaker.circuit.operations import EndInterval, Operation, ResetCircuit, SetOverride
from breakwall.breaker.circuit.state import CircuitState, OverrideMode
from breakwall.breaker.errors import StoreLostError
from breakwall.breaker.metrics import BreakerStatus
from breakwall.breaker.permit import Replica

# Seconds. A command waits for the confirmation of the store.
CONFIRM_TIMEOUT = 3.0
# Seconds: three hundred years. Later ends, in whole milliseconds, have too many digits for some readers of JSON.
LONGEST_OVERRIDE = 1e10


class NoProbe(StrEnum):
    """Why `OperatorCommands.probe` would make no probe come sooner."""

    FORCED_OPEN = "forced_open"
    CLOSED = "closed"
    HALF_OPEN = "half_open"


_SENTENCES = {
    NoProbe.FORCED_OPEN: "the circuit is forced open: no call is sent until the override is lifted",
    NoProbe.CLOSED: "the circuit is closed: every call tries the service",
    NoProbe.HALF_OPEN: "the circuit is half-open: the next calls are probes already",
}


def no_probe(status: BreakerStatus) -> NoProbe | None:
    """Why a probe would change nothing; None if it would come sooner.

    None too while the store is lost: nobody here knows the circuit, and `probe` raises `StoreLostError`.
    """
    if not status.store_ok:
        return None
    if status.override is not None and status.override.mode is OverrideMode.FORCED_OPEN:
        return NoProbe.FORCED_OPEN
    if status.state is CircuitState.CLOSED:
        return NoProbe.CLOSED
    if status.state is CircuitState.HALF_OPEN:
        return NoProbe.HALF_OPEN
    return None


def why_no_probe(status: BreakerStatus) -> str | None:
    """The same as a clause."""
    reason = no_probe(status)
    return None if reason is None else _SENTENCES[reason]


class OperatorCommands:
    """These methods of `CircuitBreaker`."""

    name: str
    _replica: Replica

    def force_open(self, reason: str, actor: str, seconds: float | None = None) -> None:
        """Refuse every call in all processes, for ``seconds`` or until `auto`.

        Every process learns it within one refresh interval. The computed state continues beside it.

        Raises:
            StoreLostError: the store did not confirm it in time. It may have arrived.
            ValueError: the reason or the actor is missing, or ``seconds`` is out of range.
        """
        self._override(OverrideMode.FORCED_OPEN, reason, actor, seconds)

    def force_close(self, reason: str, actor: str, seconds: float | None = None) -> None:
        """Refuse no call in any process; otherwise as `force_open`."""
        self._override(OverrideMode.FORCED_CLOSED, reason, actor, seconds)

    def observe(self, reason: str, actor: str, seconds: float | None = None) -> None:
        """Refuse no call, but report each call that would have been refused; otherwise as `force_open`."""
        self._override(OverrideMode.OBSERVING, reason, actor, seconds)

    def auto(self, actor: str) -> None:
        """Lift the override: the computed state decides again. Raises what `force_open` raises."""
        self._override(None, "back to automatic", actor, None)

    def probe(self) -> None:
        """End the open interval now: the next call, of whichever process, is a probe. The service decides by it.

        Changes nothing while the circuit is closed or half-open. The growth of the interval stays: if the probe fails,
        the next interval is as long as it would have been. An override still decides before the computed state.

        Raises:
            StoreLostError: the store did not confirm it in time. It may have arrived.
        """
        self._confirm(EndInterval(self._replica.circuit.generation), "probe")

    def reset(self, reason: str | None = None, actor: str | None = None) -> None:
        """Close the circuit in all processes, as if it had never opened. Listeners in each of them get a `Reset`.

        Cleared are: the window with its failures and successes, the open interval and its growth, the slots of probes,
        a pause that the service asked for, and the limits of calls at once and a second. The results of calls that run
        now do not count. Kept are: an operator's override (see `auto`), how often the circuit has opened, when a call
        last failed, and each process's own counts (see `metrics`). Every process learns it within one refresh interval.

        Args:
            reason: why, for the listeners and the log.
            actor: who, for the same.

        Raises:
            StoreLostError: the store did not confirm it in time. It may have arrived.
        """
        self._confirm(ResetCircuit(reason, actor), "reset")

    def _override(self, mode: OverrideMode | None, reason: str, actor: str, seconds: float | None) -> None:
        if not reason.strip() or not actor.strip():
            raise ValueError("an override should have a reason and an actor")
        if seconds is not None and not 0 < seconds <= LONGEST_OVERRIDE:
            raise ValueError(
                f"seconds should be above 0 and at most {LONGEST_OVERRIDE:.0f}; without, it lasts until auto"
            )
        self._confirm(SetOverride(mode, reason, actor, seconds), "override")

    def _confirm(self, operation: Operation, what: str) -> None:
        if not self._replica.confirm(operation, CONFIRM_TIMEOUT):
            raise StoreLostError(f"the store of circuit {self.name!r} did not confirm the {what} in time")
