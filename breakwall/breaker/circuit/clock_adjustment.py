"""Moves the times in a circuit from one clock to another, for example after the store's clock has stepped back."""

from collections.abc import Callable
from dataclasses import replace

from breakwall.breaker.circuit.fleet_limit import FleetLimit
from breakwall.breaker.circuit.state import Circuit, Lease

# Seconds. A process derives the store's time from the store's last answer, so it may be behind another process by the
# duration of an answer. A circuit that is further in the future was written before the store's clock stepped back.
CLOCK_TOLERANCE = 1.0
LIMIT_TIMES = ("round_at", "rest_until", "gathers_until", "busy_at", "refused_at", "rate_at", "hold_until")


def shifted(circuit: Circuit, seconds: float) -> Circuit:
    """The same circuit on a clock that is ``seconds`` ahead."""

    def moved(at: float | None) -> float | None:
        return None if at is None else at + seconds

    override = circuit.override
    if override is not None:
        override = replace(override, set_at=override.set_at + seconds, expires_at=moved(override.expires_at))
    last_reset = circuit.last_reset
    if last_reset is not None:
        last_reset = replace(last_reset, at=last_reset.at + seconds)
    return replace(
        circuit,
        window=circuit.window.shifted(seconds),
        override=override,
        last_reset=last_reset,
        began_at=moved(circuit.began_at),
        opened_at=moved(circuit.opened_at),
        open_until=moved(circuit.open_until),
        leases=tuple(Lease(lease.id, lease.expires_at + seconds) for lease in circuit.leases),
        last_failure_at=moved(circuit.last_failure_at),
        limit=None if circuit.limit is None else _shifted_limit(circuit.limit, moved),
    )


def _shifted_limit(limit: FleetLimit, moved: Callable[[float | None], float | None]) -> FleetLimit:
    times = {name: moved(getattr(limit, name)) for name in LIMIT_TIMES}
    processes = [replace(process, at=moved(process.at) or 0.0) for process in limit.processes]
    return replace(limit, processes=tuple(processes), **times)  # type: ignore[arg-type]  # times only


def adjusted(circuit: Circuit, now: float) -> Circuit:
    """The circuit on the clock that shows ``now``, which may have stepped back since the circuit was written.

    If it has, the age of the circuit is unknown. So the circuit counts as just written: an open interval or a lease
    that had ten seconds left has ten seconds left.
    """
    if circuit.written_at is None or now >= circuit.written_at - CLOCK_TOLERANCE:
        return circuit
    return shifted(circuit, now - circuit.written_at)
