"""What the breaker raises."""

from breakwall.breaker.circuit.state import CircuitState


class CircuitBreakerError(Exception):
    """The call was refused; nothing was sent.

    Attributes:
        name: the circuit's name.
        state: ``OPEN``, or ``HALF_OPEN`` if all slots for probes are taken.
        retry_after: seconds after which to try again.
        reason: an operator's, if the circuit is forced open.
    """

    def __init__(self, name: str, state: CircuitState, retry_after: float, reason: str | None = None) -> None:
        # An exception that is sent to another process is rebuilt from these arguments.
        super().__init__(name, state, retry_after, reason)
        self.name = name
        self.state = state
        self.retry_after = retry_after
        self.reason = reason

    def __str__(self) -> str:
        why = f" ({self.reason})" if self.reason else ""
        return f"circuit {self.name!r} is {self.state.value}{why}; retry in {self.retry_after:.1f} s"


class CallLimitError(CircuitBreakerError):
    """The circuit is closed, but the service cannot take this call now; nothing was sent.

    In any state it may be a cap of the background's calls a second (`CircuitBreaker.cap_background_rate`).

    ``reason`` says why; ``retry_after`` is at most a second.
    """

    def __str__(self) -> str:
        return f"circuit {self.name!r} starts no call now: {self.reason}; retry in {self.retry_after:.1f} s"


class StoreLostError(Exception):
    """The store did not confirm an operator's override or a reset in time. It may have arrived: check the status."""
