"""What an exception of a call says about the service."""

from breakwall.breaker.circuit.state import CallOutcome
from breakwall.breaker.config import CircuitBreakerConfig
from breakwall.breaker.errors import CircuitBreakerError


def classify(error: BaseException, config: CircuitBreakerConfig) -> CallOutcome:
    """What ``error`` counts as. For a group: a failure if it contains one, else a success if it contains one."""
    if isinstance(error, BaseExceptionGroup) and not _is_configured(error, config):
        outcomes = {classify(inner, config) for inner in error.exceptions}
        for outcome in (CallOutcome.FAILURE, CallOutcome.SUCCESS):
            if outcome in outcomes:
                return outcome
        return CallOutcome.NEUTRAL
    # A circuit, this one or another, refused a call inside this one: it was not sent, so no service answered.
    if isinstance(error, (CircuitBreakerError, config.neutral_exception)):
        return CallOutcome.NEUTRAL
    if isinstance(error, config.expected_exception):
        return CallOutcome.FAILURE
    # Cancellation, an interrupt and an exit are no `Exception`: they come from this side.
    return CallOutcome.SUCCESS if isinstance(error, Exception) else CallOutcome.NEUTRAL


def _is_configured(group: BaseExceptionGroup[BaseException], config: CircuitBreakerConfig) -> bool:
    """Whether the configuration names the group's class. Then the group itself counts, not what is in it."""
    return any(
        issubclass(kind, BaseExceptionGroup) and isinstance(group, kind)
        for chosen in (config.neutral_exception, config.expected_exception)
        for kind in (chosen if isinstance(chosen, tuple) else (chosen,))
    )
