"""The circuit breaker's state machine: pure decisions about a `Circuit`, and its transitions.

Nothing here reads a clock, does I/O or draws a random number: ``now`` (seconds, the store's clock) and ``jitter`` (0
up to 1, how much of the configured jitter applies) are arguments. `docs/breaker.md` has the diagram.
"""

from dataclasses import dataclass, replace

from breakwall.breaker.circuit.state import CallOutcome, Circuit, CircuitState, Lease, Override
from breakwall.breaker.circuit.window import Assessment, Bucket, CounterDelta, Window
from breakwall.breaker.config import CircuitBreakerConfig

# The longest open interval by default, in recovery time-outs: long enough to spare a service that stays down, short
# enough that its return is noticed.
DEFAULT_GROWTH_LIMIT = 4
# A probe usually ends long before its lease does, so a refused caller may ask again by then.
LONGEST_WAIT_FOR_PROBE = 1.0


@dataclass(frozen=True, slots=True)
class CircuitDecision:
    """What the computed state offers a caller at one moment; overrides do not count here.

    Attributes:
        state: the effective state: an open circuit that would admit a probe is ``HALF_OPEN``.
        slots: how many calls it would let through: None is any number.
        retry_after: seconds until asking again makes sense; 0.0 when a call would be let through.
    """

    state: CircuitState
    slots: int | None
    retry_after: float = 0.0


def decide(circuit: Circuit, config: CircuitBreakerConfig, now: float) -> CircuitDecision:
    """Whether a call may go now. Changes nothing: a probe asks with `request_lease`.

    If time alone has opened the circuit and nobody has stored that yet, the jitter is not known: the latest end
    of the open interval is returned.
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
        # If the maximum was lowered meanwhile, enough have succeeded already; the next success closes it.
        slots = max(slots, 1)
    if slots > 0:
        return CircuitDecision(CircuitState.HALF_OPEN, slots)
    first_free = min([lease.expires_at for lease in current.leases])
    return CircuitDecision(CircuitState.HALF_OPEN, 0, min(first_free - now, LONGEST_WAIT_FOR_PROBE))


def advance(circuit: Circuit, config: CircuitBreakerConfig, now: float, jitter: float = 0.0) -> Circuit:
    """What time alone has done: a suspicion that nobody refuted opens, a dead prober's lease ends.

    The suspicion opened the circuit when it had lasted for one refresh interval, whenever somebody looks. So the open
    interval runs, and ends, also for those who only look.
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


def record(
    circuit: Circuit, config: CircuitBreakerConfig, now: float, jitter: float, delta: CounterDelta
) -> Circuit:
    """The outcomes of calls that were let through while closed.

    Those of an earlier generation change nothing. When a whole fleet fails at once, most of its failures arrive too
    late to count; a member that has nothing to write learns from its next read that the circuit is open.
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
    member: str,
    buckets: list[Bucket],
) -> Circuit:
    """The outcomes of a member's calls from before it knew this circuit, in buckets that keep their age.

    Those from before the window, or from before this generation began, change nothing.
    """
    since = max(now - config.window, circuit.began_at or 0.0)
    counted = [bucket for bucket in buckets if bucket.start >= since and bucket.calls]
    if circuit.state is not CircuitState.CLOSED or not counted:
        return circuit
    failed_at = max((bucket.start for bucket in counted if bucket.bad), default=None)
    if failed_at is not None:
        circuit = replace(circuit, last_failure_at=max(failed_at, circuit.last_failure_at or failed_at))
    grown = replace(circuit, window=circuit.window.add_earlier(member, counted, config, now))
    return _assessed(grown, config, now, jitter, opened_at=now)


def request_lease(circuit: Circuit, config: CircuitBreakerConfig, now: float, lease_id: str) -> Circuit:
    """With a probe's lease in it, if there is a free place; `Circuit.holds` tells."""
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
    """A probe's end. Nothing changes if its lease has expired, was recorded before or is of another generation."""
    current = advance(circuit, config, now)
    if not current.holds(lease_id):
        return circuit
    if outcome is CallOutcome.FAILURE:
        failed = replace(current, last_failure_at=now, reopenings=current.reopenings + 1)
        return _opened(failed, config, now, jitter)
    succeeded = current.probes_succeeded + (outcome is CallOutcome.SUCCESS)
    if outcome is CallOutcome.SUCCESS and succeeded >= config.half_open_max_calls:
        return _closed(current, now)
    others = tuple([lease for lease in current.leases if lease.id != lease_id])
    return replace(current, leases=others, probes_succeeded=succeeded)


def hold_open(circuit: Circuit, now: float, seconds: float) -> Circuit:
    """Open, or stay open, for at least ``seconds`` from now: the service said when to come back."""
    until = now + seconds
    if circuit.state is CircuitState.OPEN:
        return replace(circuit, open_until=max(until, circuit.open_until or 0.0))
    return _opened_until(circuit, now, until)


def hold_open_since(circuit: Circuit, now: float, *, asked_at: float, until: float) -> Circuit:
    """`hold_open`, for what the service asked before its caller knew this circuit; a half-open one goes on."""
    over = until <= now or asked_at < (circuit.began_at or 0.0)
    if over or circuit.state is CircuitState.HALF_OPEN or until <= (circuit.open_until or 0.0):
        return circuit
    return hold_open(circuit, now, until - now)


def overridden(circuit: Circuit, override: Override | None, now: float) -> Circuit:
    """With an operator's override set, or lifted; the computed state goes on beside it.

    Its number is the time in milliseconds. So it is higher than those before it, also than those that a store has
    forgotten and some member remembers.
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
    # 2**32 is far beyond the limit, and a larger power would overflow a float in the end.
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
        window=Window(),
        leases=(),
        probes_succeeded=0,
    )
