"""The configuration of one circuit."""

import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Exceptions = type[BaseException] | tuple[type[BaseException], ...]
ExceptionPredicate = Callable[[Any], bool]  # Gets an exception.
ResultPredicate = Callable[[Any], bool]  # Gets what a call has returned.

LEAST_LEASE_MARGIN = 0.25  # Seconds more than the timeout of a call, to start it and to store its result.
# Seconds. The window slides in twentieths, and a store keeps whole milliseconds: a shorter window would lose outcomes.
LEAST_WINDOW = 0.02
# Seconds: three decades. A longer time was probably meant in another unit, and would overflow a store's numbers.
LONGEST = 1e9

PREDICATES = ("is_failure", "is_neutral", "is_failed_result")
COUNTS = ("failure_threshold", "half_open_max_calls", "minimum_calls", "recent_calls")
SECONDS = "recovery_timeout timeout window max_retry_after refresh_interval store_timeout first_contact"


@dataclass(frozen=True, slots=True)
class CircuitBreakerConfig:
    """When a circuit opens and closes. All times are seconds.

    All processes that share a circuit should have the same configuration.

    Attributes:
        failure_threshold: how many failures, within the window and over all processes, may open the circuit.
        recovery_timeout: how long the circuit stays open before it lets probes through. Each failed probe doubles it,
            up to ``max_recovery_timeout``.
        expected_exception: what counts as a failure of the service. Any other `Exception` counts as a success, because
            the service answered. `KeyboardInterrupt`, `asyncio.CancelledError` and the like are neutral.
        timeout: of one call. The caller's own client enforces it; the breaker uses it for the leases of probes.
        half_open_max_calls: how many probes may run at once over all processes, and how many must succeed to close the
            circuit.
        failure_rate: the share of failures, above 0 and at most 1, at which the circuit may open: in the whole window,
            or in its newest part, see ``recent_calls``.
        window: for how long an outcome counts; at least 0.02.
        minimum_calls: with fewer outcomes the circuit stays closed.
        recent_calls: if the newest part of the window has so many outcomes, that part alone can open the circuit. It is
            1 to 1.5 refresh intervals long; with fewer calls it is the last few twentieths of the window. So an outage
            after a busy minute need not outweigh that minute. The 20 is Hystrix's request volume threshold.
        slow_call_duration: a call that takes longer counts as a failure, whatever it returns.
        neutral_exception: exceptions that say nothing about the service (our own full pool, a bad address). They win
            over ``expected_exception``.
        is_failure: gets an exception that ``expected_exception`` names, and returns whether it is a failure; if not, it
            counts as a success. Without it each of them is a failure.
        is_neutral: gets an exception, and returns whether it says nothing about the service, as if
            ``neutral_exception`` named it.
        is_failed_result: gets what a call has returned, and returns whether the service has failed, such as a response
            with the status 503. A predicate should be quick. If one raises, that is logged, and the call counts as if
            the predicate were not given.
        max_recovery_timeout: the longest open interval; by default four times ``recovery_timeout``.
        max_retry_after: for how long at most a service may keep its circuit open with ``Retry-After``.
        jitter: each open interval ends early by up to this share of it, at random, so that circuits that opened
            together do not probe together.
        refresh_interval: how old a process's copy of a shared circuit may be.
        store_timeout: how long a call may wait for the store before it continues without.
        first_contact: how long a process's first calls may wait instead, once in the life of a process. So a process
            that starts during an outage learns of it before it sends anything.
        adaptive_limit: whether calls are also refused while the circuit is closed: while the service hangs, judged by
            the age of the calls in hand; and above the limit that all processes share once the service was overloaded.

    Raises:
        ValueError: names the field and what would be right.
    """

    failure_threshold: int = 5
    recovery_timeout: float = 30.0
    expected_exception: Exceptions = Exception
    timeout: float = 10.0
    half_open_max_calls: int = 1
    failure_rate: float = 0.5
    window: float = 60.0
    minimum_calls: int = 1
    recent_calls: int = 20
    slow_call_duration: float | None = None
    neutral_exception: Exceptions = ()
    is_failure: ExceptionPredicate | None = None
    is_neutral: ExceptionPredicate | None = None
    is_failed_result: ResultPredicate | None = None
    max_recovery_timeout: float | None = None
    max_retry_after: float = 3600.0
    jitter: float = 0.1
    refresh_interval: float = 0.2
    store_timeout: float = 0.05
    first_contact: float = 1.0
    adaptive_limit: bool = False

    def __post_init__(self) -> None:
        for name in COUNTS:
            _check_count(name, getattr(self, name))
        for name in SECONDS.split():
            _check_seconds(name, getattr(self, name))
        if self.window < LEAST_WINDOW:
            raise ValueError(
                f"window should be at least {LEAST_WINDOW} seconds: a store keeps whole milliseconds of a twentieth"
            )
        if self.slow_call_duration is not None:
            _check_seconds("slow_call_duration", self.slow_call_duration)
        _check_share("failure_rate", self.failure_rate)
        if self.failure_rate == 0:
            raise ValueError("failure_rate should be above 0: at 0 every circuit would open")
        _check_share("jitter", self.jitter)
        self._check_classification()
        _check_flag("adaptive_limit", self.adaptive_limit)
        if self.max_recovery_timeout is not None:
            _check_seconds("max_recovery_timeout", self.max_recovery_timeout)
            if self.max_recovery_timeout < self.recovery_timeout:
                raise ValueError("max_recovery_timeout should be at least recovery_timeout")

    def _check_classification(self) -> None:
        _check_exceptions("expected_exception", self.expected_exception)
        _check_exceptions("neutral_exception", self.neutral_exception)
        for name in PREDICATES:
            _check_predicate(name, getattr(self, name))

    @property
    def lease_seconds(self) -> float:
        """How long a probe may take: a little longer than the timeout of a call."""
        return self.timeout + max(LEAST_LEASE_MARGIN, self.timeout / 10)


def _check_count(name: str, value: object) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError(f"{name} should be a whole number of at least 1")


def _check_seconds(name: str, value: object) -> None:
    if not _is_number(value) or not 0 < value <= LONGEST:  # type: ignore[operator]  # _is_number says so
        raise ValueError(f"{name} should be a number of seconds above 0 and at most {LONGEST:.0f}")


def _check_share(name: str, value: object) -> None:
    if not _is_number(value) or not 0 <= value <= 1:  # type: ignore[operator]  # as above
        raise ValueError(f"{name} should be a number from 0 to 1")


def _check_flag(name: str, value: object) -> None:
    if not isinstance(value, bool):
        raise ValueError(f"{name} should be True or False")  # noqa: TRY004  # as of each other field


def _check_exceptions(name: str, value: object) -> None:
    kinds = value if isinstance(value, tuple) else (value,)
    if not all(isinstance(kind, type) and issubclass(kind, BaseException) for kind in kinds):
        raise ValueError(f"{name} should be an exception class or a tuple of exception classes")


def _check_predicate(name: str, value: object) -> None:
    # What a coroutine function or a generator function returns is always true.
    is_deferred = inspect.iscoroutinefunction(value) or inspect.isgeneratorfunction(value)
    if value is not None and (not callable(value) or isinstance(value, type) or is_deferred):
        raise ValueError(f"{name} should be a plain function that returns True or False, or None")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
