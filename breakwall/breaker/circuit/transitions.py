"""The circuit breaker's state machine: decisions about a `Circuit`, and its transitions. `docs/breaker.md` draws it.

All functions are pure: ``now`` (seconds, the store's clock) and ``jitter`` (0 up to 1, at random: how much of the
configured jitter applies) are arguments.
"""

from dataclasses import dataclass, replace

from breakwall.breaker.circuit import limit
from breakwall.breaker.circuit.fleet_limit import FleetLimit, LoadReport
from breakwall.breaker.circuit.state import (
    CallOutcome,
    Circuit,
    CircuitState,
    LastReset,
    Lease,
    Override,
    OverrideMode,
)
from breakwall.breaker.circuit.window import Assessment, Bucket, CounterDelta, Window
from breakwall.breaker.config import CircuitBreakerConfig

# The longest open interval by default, as a multiple of the recovery timeout: long enough to spare a service that stays
# down, short enough that its return is noticed.
DEFAULT_GROWTH_LIMIT = 4
LONGEST_WAIT_FOR_PROBE = 1.0  # Seconds: a probe usually ends long before its lease expires.


@dataclass(frozen=True, slots=True)
class CircuitDecision:
    """Whether a call may be sent at one moment, without regard to overrides."""

    state: CircuitState  # The effective state: an open circuit that would admit a probe is HALF_OPEN.
    slots: int | None  # How many calls would be let through; None is any number.
    retry_after: float = 0.0  # Seconds after which to ask again; 0.0 if a call would be let through.


def decide(circuit: Circuit, config: CircuitBreakerConfig, now: float) -> CircuitDecision:
    """Whether a call may be sent now. Changes nothing: a probe needs `request_lease`.

    If the circuit is open because a suspicion lasted, and no process has stored that yet, the jitter is unknown: then
    the latest end of the open interval is returned.
    """
    current = advance(circuit, config, now)
    if current.state is CircuitState.CLOSED:
        return CircuitDecision(CircuitState.CLOSED, None)
    if current.state is CircuitState.OPEN:
        wait = (current.open_until or 0.0) - now
        if wait > 0:
            return CircuitDecision(CircuitState.OPEN, 0, wait)
        return CircuitDecision(CircuitState.HALF_OPEN, config.half_open_max_calls)
    slots = config.half_open_max_calls - len(current.leases) - current.probes_succeeded
    if not current.leases:
        # If the maximum was lowered meanwhile, enough probes have succeeded already: the next success closes it.
        slots = max(slots, 1)
    if slots > 0:
        return CircuitDecision(CircuitState.HALF_OPEN, slots)
    first_free = min([lease.expires_at for lease in current.leases])
    return CircuitDecision(CircuitState.HALF_OPEN, 0, min(first_free - now, LONGEST_WAIT_FOR_PROBE))


def advance(circuit: Circuit, config: CircuitBreakerConfig, now: float, jitter: float = 0.0) -> Circuit:
    """Apply what depends on time only: open the circuit if a suspicion was not refuted; remove expired leases.

    The circuit opens when the suspicion has lasted for one refresh interval, not when a process notices it. So the open
    interval also begins and ends for a process that only reads the circuit.
    """
    if circuit.state is CircuitState.CLOSED:
        suspected_at = circuit.window.suspected_at
        if suspected_at is None:
            return circuit
        opened_at = min(now, suspected_at + config.refresh_interval)
        return _assessed(circuit, config, now, jitter, opened_at=opened_at)
    if circuit.leases:
        alive = tuple([lease for lease in circuit.leases if now < lease.expires_at])
        return circuit if alive == circuit.leases else replace(circuit, leases=alive)
    return circuit


def passing_since(circuit: Circuit, config: CircuitBreakerConfig, now: float) -> float | None:
    """Since when calls have been let through, by the computed state or by an override. None: they are not, or for ever.

    An override that has changed nothing counts as well.
    """
    override = circuit.override_at(now)
    if override is not None:
        return None if override.mode is OverrideMode.FORCED_OPEN else override.set_at
    state = decide(circuit, config, now).state
    if state is CircuitState.OPEN:
        return None
    began = circuit.began_at if state is CircuitState.CLOSED else circuit.open_until
    return max((at for at in (began, circuit.override_ended_at(now)) if at is not None), default=None)


def record(
    circuit: Circuit, config: CircuitBreakerConfig, now: float, jitter: float, delta: CounterDelta
) -> Circuit:
    """Add the outcomes of calls that were let through while the circuit was closed.

    Outcomes of an earlier generation change nothing. When all processes fail at once, most of their failures arrive too
    late to count.
    """
    if circuit.state is not CircuitState.CLOSED or delta.generation != circuit.generation:
        return circuit
    failed_at = circuit.last_failure_at
    if delta.failures or delta.slow:
        failed_at = max(now, failed_at or now)
    grown = replace(circuit, window=circuit.window.add(delta, config, now), last_failure_at=failed_at)
    return _assessed(grown, config, now, jitter, opened_at=now)


def record_earlier(
    circuit: Circuit,
    config: CircuitBreakerConfig,
    now: float,
    jitter: float,
    reporter_id: str,
    buckets: list[Bucket],
) -> Circuit:
    """Add the outcomes of calls that one reporter made before it knew this circuit. The buckets keep their age.

    A bucket that is older than the window or than this generation changes nothing.
    """
    since = max(now - config.window, circuit.began_at or 0.0)
    counted = [bucket for bucket in buckets if bucket.start >= since and bucket.calls]
    if circuit.state is not CircuitState.CLOSED or not counted:
        return circuit
    failed_at = max((bucket.start for bucket in counted if bucket.bad), default=None)
    if failed_at is not None:
        circuit = replace(circuit, last_failure_at=max(failed_at, circuit.last_failure_at or failed_at))
    grown = replace(circuit, window=circuit.window.add_earlier(reporter_id, counted, config, now))
    return _assessed(grown, config, now, jitter, opened_at=now)


def request_lease(circuit: Circuit, config: CircuitBreakerConfig, now: float, lease_id: str) -> Circuit:
    """Add a probe's lease if there is a free slot; `Circuit.holds` shows whether it was added."""
    current = advance(circuit, config, now)
    if current.holds(lease_id) or not decide(current, config, now).slots:
        return circuit
    lease = Lease(lease_id, now + config.lease_seconds)
    if current.state is not CircuitState.HALF_OPEN:
        current = _moved(current, CircuitState.HALF_OPEN, now)
    return replace(current, leases=(*current.leases, lease))


def record_probe(
    circuit: Circuit,
    config: CircuitBreakerConfig,
    now: float,
    jitter: float,
    lease_id: str,
    outcome: CallOutcome,
) -> Circuit:
    """End a probe. Changes nothing if its lease has expired, was ended before or is of another generation."""
    current = advance(circuit, config, now)
    if not current.holds(lease_id):
        return circuit
    if outcome is CallOutcome.FAILURE:
        failed = replace(current, last_failure_at=now, reopenings=current.reopenings + 1)
        return _opened(failed, config, now, jitter)
    succeeded = current.probes_succeeded + (outcome is CallOutcome.SUCCESS)
    if outcome is CallOutcome.SUCCESS and succeeded >= config.half_open_max_calls:
        return _closed(current, config, now)
    others = tuple([lease for lease in current.leases if lease.id != lease_id])
    return replace(current, leases=others, probes_succeeded=succeeded)


def hold_open(circuit: Circuit, now: float, seconds: float) -> Circuit:
    """Open the circuit, or keep it open, for at least ``seconds`` from now, because the service asked for a pause."""
    until = now + seconds
    if circuit.state is CircuitState.OPEN:
        return replace(circuit, open_until=max(until, circuit.open_until or 0.0))
    return _opened_until(circuit, now, until)


def hold_open_since(circuit: Circuit, now: float, *, asked_at: float, until: float) -> Circuit:
    """`hold_open`, for a pause that the service asked for before the caller knew this circuit.

    Changes nothing if the pause is over, if this generation is newer, or if the circuit is half-open.
    """
    over = until <= now or asked_at < (circuit.began_at or 0.0)
    if over or circuit.state is CircuitState.HALF_OPEN or until <= (circuit.open_until or 0.0):
        return circuit
    return hold_open(circuit, now, until - now)


def end_interval(circuit: Circuit, now: float) -> Circuit:
    """End the open interval now, so that the next call is a probe. Changes nothing in a circuit that is not open."""
    if circuit.state is not CircuitState.OPEN or now >= (circuit.open_until or 0.0):
        return circuit
    return replace(circuit, open_until=now)


def report_load(circuit: Circuit, config: CircuitBreakerConfig, now: float, report: LoadReport) -> Circuit:
    """Add one process's report to the limit of a closed circuit."""
    if circuit.state is not CircuitState.CLOSED:
        return circuit
    fleet = limit.in_force(circuit.limit, circuit.generation, now)
    fleet = fleet or FleetLimit(generation=circuit.generation, round_at=now)
    return replace(circuit, limit=limit.add_report(fleet, report, now, interval=config.refresh_interval))


def reset(circuit: Circuit, now: float, reason: str | None, actor: str | None) -> Circuit:
    """Close the circuit and forget what has made it open or limited: a new generation, as after the first start.

    Stays: how often it has opened, when a call last failed, and an operator's override.
    """
    closed = _moved(circuit, CircuitState.CLOSED, now)
    last = LastReset(closed.generation, now, reason, actor)
    cleared = replace(closed, opened_at=None, open_until=None, opened_by=0, reopenings=0, limit=None)
    return replace(cleared, last_reset=last)


def overridden(circuit: Circuit, override: Override | None, now: float) -> Circuit:
    """Set an operator's override, or lift it. The computed state continues beside it.

    The override's number is the time in milliseconds, or one more than the last number if that is higher. So it is
    higher than the numbers of earlier overrides, also of one that the store has lost unless the clock has stepped back.
    """
    serial = max(circuit.override_serial + 1, int(now * 1000))
    return replace(circuit, override=override, override_serial=serial)


def _assessed(
    circuit: Circuit, config: CircuitBreakerConfig, now: float, jitter: float, *, opened_at: float
) -> Circuit:
    assessment = circuit.window.assess(config, now)
    if assessment is Assessment.FAILING:
        return _opened(circuit, config, opened_at, jitter)
    since = (circuit.window.suspected_at or now) if assessment is Assessment.SUSPECT else None
    if since == circuit.window.suspected_at:
        return circuit
    return replace(circuit, window=replace(circuit.window, suspected_at=since))


def _opened(circuit: Circuit, config: CircuitBreakerConfig, now: float, jitter: float) -> Circuit:
    # 2**32 is far above the limit; a much larger power would overflow a float.
    longest = config.max_recovery_timeout or config.recovery_timeout * DEFAULT_GROWTH_LIMIT
    full = min(config.recovery_timeout * 2.0 ** min(circuit.reopenings, 32), longest)
    return _opened_until(circuit, now, now + full * (1 - config.jitter * jitter))


def _opened_until(circuit: Circuit, now: float, until: float) -> Circuit:
    opened_by = sum([bucket.failures + bucket.slow for bucket in circuit.window.buckets]) or circuit.opened_by
    return replace(
        _moved(circuit, CircuitState.OPEN, now),
        opened_at=now,
        open_until=until,
        opened_by=opened_by,
        open_count=circuit.open_count + 1,
    )


def _closed(circuit: Circuit, config: CircuitBreakerConfig, now: float) -> Circuit:
    closed = _moved(circuit, CircuitState.CLOSED, now)
    if config.adaptive_limit:
        closed = replace(closed, limit=limit.after_closing(circuit.limit, closed.generation, now))
    return replace(closed, opened_at=None, open_until=None, opened_by=0, reopenings=0)


def _moved(circuit: Circuit, state: CircuitState, now: float) -> Circuit:
    """A new generation, with an empty window and without leases."""
    return replace(
        circuit,
        state=state,
        generation=circuit.generation + 1,
        began_at=now,
        window=Window(),
        leases=(),
        probes_succeeded=0,
    )
