"""Where outcomes are delivered to, and what became of one call."""

from dataclasses import dataclass
from typing import Protocol

from breakwall.payments.outcomes.event import Event

CALL_TIMEOUT = 15.0  # Seconds for one delivery: the least that Standard Webhooks recommends.


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one call.

    Attributes:
        error: why the shop does not have the event, in words without a secret; None if it has it.
        retry_after: seconds that the shop asked to wait before the next call of any event.
        gone: the endpoint wants no event any more.
        hung: the call has not returned, and keeps its thread.
    """

    error: str | None = None
    retry_after: float | None = None
    gone: bool = False
    hung: bool = False

    @property
    def delivered(self) -> bool:
        return self.error is None


DELIVERED = Result()


class Destination(Protocol):
    """One way to the shop. Threads share it."""

    @property
    def name(self) -> str:
        """``webhook``, ``task`` or ``listener``."""
        ...

    @property
    def endpoint(self) -> str | None:
        """A digest of the address, if an address can be gone for good."""
        ...

    def deliver(self, event: Event, *, deadline: float) -> Result:
        """Deliver it by ``deadline``, on `time.monotonic`. Raises nothing of the shop's or the network's."""
        ...

    def close(self) -> None: ...
