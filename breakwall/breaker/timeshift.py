"""A circuit's times moved from one clock to another, as when the store's clock has stepped back."""

from __future__ import annotations

from dataclasses import replace

from breakwall.breaker.circuit import Circuit, Lease

# Members work the store's time out from its last answer, so one may be behind another by what an answer
# takes. A circuit from further ahead than that was written before the store's clock stepped back.
CLOCK_TOLERANCE = 1.0


def shifted(circuit: Circuit, seconds: float) -> Circuit:
    """The same circuit told by a clock that is ``seconds`` ahead."""

    def moved(at: float | None) -> float | None:
        return None if at is None else at + seconds

    override = circuit.override
    if override is not None:
        override = replace(override, set_at=override.set_at + seconds, expires_at=moved(override.expires_at))
    return replace(
        circuit,
        evidence=circuit.evidence.shifted(seconds),
        override=override,
        began_at=moved(circuit.began_at),
        opened_at=moved(circuit.opened_at),
        open_until=moved(circuit.open_until),
        leases=tuple(Lease(lease.id, lease.expires_at + seconds) for lease in circuit.leases),
        last_failure_at=moved(circuit.last_failure_at),
    )


def caught_up(circuit: Circuit, now: float) -> Circuit:
    """The circuit told by the clock that says ``now``, which may have stepped back since it was written.

    How long ago that was nobody knows then. It is taken for just now: what was to last for another ten
    seconds, an open interval or a lease, does.
    """
    if circuit.written_at is None or now >= circuit.written_at - CLOCK_TOLERANCE:
        return circuit
    return shifted(circuit, now - circuit.written_at)
