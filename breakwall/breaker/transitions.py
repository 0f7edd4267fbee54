"""The circuit breaker's state machine: pure decisions and transitions of a `Circuit`.

Nothing here reads a clock, does I/O or draws a random number: ``now`` (seconds, the store's clock) and
``luck`` (0 up to 1, for the jitter) are arguments. Stores only load a `Circuit` and swap it for the next,
so the same decisions hold in one process and in a fleet. `docs/breaker.md` has the diagram.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from breakwall.breaker.circuit import CallOutcome, Circuit, CircuitState, Lease, Override
from breakwall.breaker.config import CircuitBreakerConfig
from breakwall.breaker.evidence import Bucket, Evidence, Report, Verdict

# A probe's answer usually comes much sooner than its lease ends: worth asking again by then.
PROBE_PATIENCE = 1.0


@dataclass(frozen=True, slots=True)
class Decision:
    """What the circuit's computed state has for a caller at one instant; overrides are not in it.

    Attributes:
        state: the effective state: an open circuit that would admit a probe is ``HALF_OPEN``.
        slots: how many calls it would let through: None is any number.
        retry_after: seconds until asking again makes sense; 0.0 when a call would be let through.
    """

    state: CircuitState
    slots: int | None
    retry_after: float = 0.0


def decide(circuit: Circuit, config: CircuitBreakerConfig, now: float) -> Decision:
    """Whether a call may go now. Changes nothing: a probe asks with `grant`.

    An opening that time alone has brought and nobody has stored yet has no jitter: the latest end is told.
    """
    current = advance(circuit, config, now)
    if current.state is CircuitState.CLOSED:
        return Decision(CircuitState.CLOSED, None)
    if current.state is CircuitState.OPEN:
        wait = _open_until(current) - now
        if wait > 0:
            return Decision(CircuitState.OPEN, 0, wait)
        return Decision(CircuitState.HALF_OPEN, config.half_open_max_calls)
    slots = config.half_open_max_calls - len(current.leases) - current.probes_succeeded
    if not current.leases:
        # Enough have succeeded already if the maximum was lowered meanwhile; the next success closes it.
        slots = max(slots, 1)
    if slots > 0:
        return Decision(CircuitState.HALF_OPEN, slots)
    first_free = min(lease.expires_at for lease in current.leases)
    return Decision(CircuitState.HALF_OPEN, 0, min(first_free - now, PROBE_PATIENCE))


def advance(circuit: Circuit, config: CircuitBreakerConfig, now: float, luck: float = 0.0) -> Circuit:
    """What time alone has done: a suspicion that nobody refuted opens, a dead prober's lease is free.

    The suspicion opened the circuit when it had lasted for a refresh interval, whoever looks when: for those
    who only look the open interval runs down too, and ends.
    """
    if circuit.state is CircuitState.CLOSED and circuit.evidence.suspected_at is not None:
        ripe_at = circuit.evidence.suspected_at + config.refresh_interval
        return _judged(circuit, config, now, luck, opened_at=min(now, ripe_at))
    if circuit.leases:
        alive = tuple(lease for lease in circuit.leases if now < lease.expires_at)
        return circuit if alive == circuit.leases else replace(circuit, leases=alive)
    return circuit


def record(
    circuit: Circuit, config: CircuitBreakerConfig, now: float, luck: float, report: Report
) -> Circuit:
    """The outcomes of calls that were let through while closed.

    Those of an earlier generation change nothing at all. When a whole fleet fails at once, most of its reports
    come too late to count; a member that has nothing to write learns from its look that the circuit is open.
    """
    if circuit.state is not CircuitState.CLOSED or report.generation != circuit.generation:
        return circuit
    if report.bad:
        circuit = replace(circuit, last_failure_at=max(now, circuit.last_failure_at or now))
    grown = replace(circuit, evidence=circuit.evidence.add(report, config, now))
    return _judged(grown, config, now, luck, opened_at=now)


def record_earlier(
    circuit: Circuit,
    config: CircuitBreakerConfig,
    now: float,
    luck: float,
    member: str,
    buckets: list[Bucket],
) -> Circuit:
    """The outcomes of a member's calls before it knew of this circuit, in buckets that say how old they are.

    Those from before the window, or from before this generation began, change nothing.
    """
    since = max(now - config.window, circuit.began_at or 0.0)
    counted = [bucket for bucket in buckets if bucket.start >= since and bucket.calls]
    if circuit.state is not CircuitState.CLOSED or not counted:
        return circuit
    failed_at = max((bucket.start for bucket in counted if bucket.bad), default=None)
    if failed_at is not None:
        circuit = replace(circuit, last_failure_at=max(failed_at, circuit.last_failure_at or failed_at))
    grown = replace(circuit, evidence=circuit.evidence.add_earlier(member, counted, config, now))
    return _judged(grown, config, now, luck, opened_at=now)


def grant(circuit: Circuit, config: CircuitBreakerConfig, now: float, lease_id: str) -> Circuit:
    """With a probe's lease in it, when one is to be had; look with `Circuit.holds`."""
    current = advance(circuit, config, now)
    if current.holds(lease_id) or not decide(current, config, now).slots:
        return circuit
    granted = Lease(lease_id, now + config.lease_seconds)
    if current.state is not CircuitState.HALF_OPEN:
        current = _moved(current, CircuitState.HALF_OPEN, now)
    return replace(current, leases=(*current.leases, granted))


def settle(
    circuit: Circuit,
    config: CircuitBreakerConfig,
    now: float,
    luck: float,
    lease_id: str,
    outcome: CallOutcome,
) -> Circuit:
    """A probe's end. A lease that has run out, is settled already or is of another generation is nothing."""
    current = advance(circuit, config, now)
    if not current.holds(lease_id):
        return circuit
    left = tuple(lease for lease in current.leases if lease.id != lease_id)
    if outcome is CallOutcome.FAILURE:
        failed = replace(current, last_failure_at=now, reopenings=current.reopenings + 1)
        return _opened(failed, config, now, luck)
    if outcome is CallOutcome.NEUTRAL:
        return replace(current, leases=left)
    if current.probes_succeeded + 1 >= config.half_open_max_calls:
        return _closed(current, now)
    return replace(current, leases=left, probes_succeeded=current.probes_succeeded + 1)


def hold_open(circuit: Circuit, now: float, seconds: float) -> Circuit:
    """Open, or stay open, for at least ``seconds`` from now: the service said when to come back."""
    until = now + seconds
    if circuit.state is CircuitState.OPEN:
        return replace(circuit, open_until=max(until, _open_until(circuit)))
    return _opened_until(circuit, now, until)


def hold_open_since(circuit: Circuit, now: float, *, said_at: float, until: float) -> Circuit:
    """`hold_open`, for what the service said before its hearer knew of this circuit; probes go before it."""
    over = until <= now or said_at < (circuit.began_at or 0.0)
    if over or circuit.state is CircuitState.HALF_OPEN or until <= _open_until(circuit):
        return circuit
    return hold_open(circuit, now, until - now)


def overridden(circuit: Circuit, override: Override | None, now: float) -> Circuit:
    """With an operator's word set, or lifted; the computed state goes on beside it.

    Its number is the time in milliseconds: above those of all words before it, also of those that a store
    has forgotten and some member remembers.
    """
    serial = max(circuit.override_serial + 1, int(now * 1000))
    return replace(circuit, override=override, override_serial=serial)


def _judged(
    circuit: Circuit, config: CircuitBreakerConfig, now: float, luck: float, *, opened_at: float
) -> Circuit:
    verdict = circuit.evidence.verdict(config, now)
    if verdict is Verdict.FAILING:
        return _opened(circuit, config, opened_at, luck)
    since = (circuit.evidence.suspected_at or now) if verdict is Verdict.SUSPECT else None
    if since == circuit.evidence.suspected_at:
        return circuit
    return replace(circuit, evidence=replace(circuit.evidence, suspected_at=since))


def _opened(circuit: Circuit, config: CircuitBreakerConfig, now: float, luck: float) -> Circuit:
    # Beyond 2**32 the limit has long decided, and a float would overflow in the end.
    full = min(config.recovery_timeout * 2.0 ** min(circuit.reopenings, 32), config.longest_open)
    return _opened_until(circuit, now, now + full * (1 - config.jitter * luck))


def _opened_until(circuit: Circuit, now: float, until: float) -> Circuit:
    opened_by = sum(bucket.bad for bucket in circuit.evidence.buckets) or circuit.opened_by
    return replace(
        _moved(circuit, CircuitState.OPEN, now),
        opened_at=now,
        open_until=until,
        opened_by=opened_by,
        open_count=circuit.open_count + 1,
    )


def _closed(circuit: Circuit, now: float) -> Circuit:
    closed = _moved(circuit, CircuitState.CLOSED, now)
    return replace(closed, opened_at=None, open_until=None, opened_by=0, reopenings=0)


def _moved(circuit: Circuit, state: CircuitState, now: float) -> Circuit:
    """A new generation, in which nothing has happened yet."""
    return replace(
        circuit,
        state=state,
        generation=circuit.generation + 1,
        began_at=now,
        evidence=Evidence(),
        leases=(),
        probes_succeeded=0,
    )


def _open_until(circuit: Circuit) -> float:
    return circuit.open_until if circuit.open_until is not None else 0.0
