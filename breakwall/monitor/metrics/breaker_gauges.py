"""A circuit's numbers: under resilience4j's names, which operators know, and under those of our own collector."""

import math
from collections.abc import Iterator

from breakwall.breaker import BreakerStatus, CircuitState, OverrideMode
from breakwall.monitor.metrics.family import Family, FamilyKind, Values, keyed, one_of

# What resilience4j calls the states that an override leads to.
_OVERRIDDEN = {
    OverrideMode.FORCED_OPEN: "forced_open",
    OverrideMode.FORCED_CLOSED: "disabled",
    OverrideMode.OBSERVING: "metrics_only",
}
# All that can decide about the next call.
STATES = (*(state.value for state in CircuitState), *_OVERRIDDEN.values())


def effective_state(status: BreakerStatus) -> str:
    """What decides about the next call, by resilience4j's name: the override, or the computed state."""
    return status.state.value if status.override is None else _OVERRIDDEN[status.override.mode]


def breaker_families(status: BreakerStatus) -> Iterator[Family]:
    """The circuit as this process sees it.

    Counters are left out while the store does not answer: those of the local circuit are others, and would look like a
    restart.
    """
    yield _by_state(status)
    yield _family(
        status, "resilience4j_circuitbreaker_failure_rate", _RATE, {(): failure_rate(status)}, "name"
    )
    calls = keyed({"failed": status.failure_count, "successful": status.success_count})
    yield _family(status, "resilience4j_circuitbreaker_buffered_calls", _CALLS, calls, "name", "kind")
    computed = keyed(one_of(CircuitState, status.state))
    yield _family(status, "breakwall_breaker_state", _COMPUTED, computed, "circuit", "state")
    mode = None if status.override is None else status.override.mode
    modes = keyed(one_of(OverrideMode, mode))
    yield _family(status, "breakwall_breaker_override", _OVERRIDE, modes, "circuit", "mode")
    limit = math.inf if status.limit is None else status.limit
    yield _family(status, "breakwall_breaker_limit", _LIMIT, {(): limit}, "circuit")
    yield _family(status, "breakwall_breaker_calls_in_hand", _IN_HAND, {(): status.in_hand}, "circuit")
    yield _family(status, "breakwall_breaker_store_up", _STORE, {(): float(status.store_ok)}, "circuit")
    yield _transitions(status)


def failure_rate(status: BreakerStatus) -> float:
    """Percent of the calls in a closed circuit's window; -1.0 without any, as resilience4j has it."""
    calls = status.failure_count + status.success_count
    if status.opened_at is not None or calls == 0:
        return -1.0
    return 100.0 * status.failure_count / calls


_STATE = "1 for what decides about the next call, 0 for the others; disabled is forced closed, metrics_only observing"
_RATE = "Percent of failed calls in the window; -1 while the circuit is not closed or has no calls"
_CALLS = (
    "Calls in the window, over all processes; while the circuit is not closed, the failures that opened it"
)
_COMPUTED = "1 for the state that the circuit computes, 0 for the others, whatever an override says"
_OVERRIDE = "1 for the operator's override in force, 0 for the others"
_LIMIT = "Calls that all processes may have in hand; +Inf without a limit"
_IN_HAND = "Calls that all processes have in hand"
_STORE = "1 if the circuit's store answers, 0 if this is a local circuit"
_TRANSITIONS = "Transitions of the circuit to each state, over all processes, ever"


def _by_state(status: BreakerStatus) -> Family:
    states = keyed(one_of(STATES, effective_state(status)))
    return _family(status, "resilience4j_circuitbreaker_state", _STATE, states, "name", "state")


def _transitions(status: BreakerStatus) -> Family:
    counts = {
        CircuitState.OPEN: status.open_count,
        CircuitState.HALF_OPEN: status.half_open_count,
        CircuitState.CLOSED: status.close_count,
    }
    values: Values = {(status.name, state.value): float(number) for state, number in counts.items()}
    labels, name = ("circuit", "to"), "breakwall_breaker_transitions_total"
    return Family(FamilyKind.COUNTER, name, _TRANSITIONS, labels, values if status.store_ok else {})


def _family(status: BreakerStatus, name: str, text: str, values: Values, *labels: str) -> Family:
    named: Values = {(status.name, *others): value for others, value in values.items()}
    return Family(FamilyKind.GAUGE, name, text, labels, named)
