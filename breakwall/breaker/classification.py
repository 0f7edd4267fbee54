"""What an exception or a result of a call says about the service."""

from collections.abc import Callable
from typing import Any

from breakwall.breaker.circuit.state import CallOutcome
from breakwall.breaker.config import CircuitBreakerConfig
from breakwall.breaker.errors import CircuitBreakerError
from breakwall.breaker.events import logger


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
    is_expected = isinstance(error, config.expected_exception)
    # Cancellation, an interrupt and an exit are no `Exception`: they come from this side.
    if not (is_expected or isinstance(error, Exception)):
        return CallOutcome.NEUTRAL
    if config.is_neutral is not None and _answer(config.is_neutral, error, "is_neutral", otherwise=False):
        return CallOutcome.NEUTRAL
    if is_expected and (
        config.is_failure is None or _answer(config.is_failure, error, "is_failure", otherwise=True)
    ):
        return CallOutcome.FAILURE
    return CallOutcome.SUCCESS if isinstance(error, Exception) else CallOutcome.NEUTRAL


def classify_result(result: object, config: CircuitBreakerConfig) -> CallOutcome:
    """What a call counts as that has returned ``result``."""
    predicate = config.is_failed_result
    is_failed = predicate is not None and _answer(predicate, result, "is_failed_result", otherwise=False)
    return CallOutcome.FAILURE if is_failed else CallOutcome.SUCCESS


def _answer(predicate: Callable[[Any], object], value: object, name: str, *, otherwise: bool) -> bool:
    """What the configuration's ``predicate`` of this name says of ``value``; ``otherwise`` if it raises."""
    try:
        return bool(predicate(value))
    # The call has its own result or exception, which must reach the caller.
    except Exception as error:
        # Without the message and the traceback: they may contain what the call has sent or received.
        logger.error(
            "%s raised %s %s; it is ignored for this call", name, type(error).__name__, _place(error)
        )
        return otherwise


def _place(error: Exception) -> str:
    """Where ``error`` was raised."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return "" if trace is None else f"({trace.tb_frame.f_code.co_filename}:{trace.tb_lineno})"


def _is_configured(group: BaseExceptionGroup[BaseException], config: CircuitBreakerConfig) -> bool:
    """Whether the configuration names the group's class. Then the group itself counts, not what is in it."""
    return any(
        issubclass(kind, BaseExceptionGroup) and isinstance(group, kind)
        for chosen in (config.neutral_exception, config.expected_exception)
        for kind in (chosen if isinstance(chosen, tuple) else (chosen,))
    )
