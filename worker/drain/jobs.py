"""What the exchange gives the slots to do, and what comes back."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from breakwall.payments.gateways.base import ChargeAnswer
from breakwall.payments.ledger.batch_claiming import Payment
from breakwall.payments.ledger.claim import Attempt


@dataclass(slots=True)
class Mark:
    """Set by the slot, and read by the exchange."""

    is_set: bool = False

    def set(self) -> None:
        self.is_set = True


@dataclass(frozen=True, slots=True)
class Send:
    """Send an attempt whose row is committed.

    ``begun``: when its exchange began, on the monotonic clock of the process. The call's deadline and the lease count
    from there. ``given``: when its exchange was over, and it could be sent. ``permitted``: whether it has its permit.
    """

    attempt: Attempt
    begun: float
    given: float
    permitted: Mark = field(default_factory=Mark, compare=False, repr=False)

    @property
    def order_id(self) -> str:
        return self.attempt.claim.order_id

    @property
    def send_by(self) -> float:
        """The order's last moment, on the same clock."""
        return self.begun + self.attempt.claim.send_within


@dataclass(frozen=True, slots=True)
class Retry:
    """Work on an order the single way, see `Retrier`. A ``released`` one is not held by a pause.

    ``permitted``: whether it has had its permit.
    """

    order_id: str
    released: bool = False
    permitted: Mark = field(default_factory=Mark, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class RecordAnswer:
    """RecordAnswer an answer the single way, see `Charger`."""

    attempt: Attempt
    answer: ChargeAnswer

    @property
    def order_id(self) -> str:
        return self.attempt.claim.order_id


Job = Send | Retry | RecordAnswer


@dataclass(frozen=True, slots=True)
class Paid:
    """An attempt has charged, which the next exchange records. The call took so many ``seconds``."""

    payment: Payment
    answer: ChargeAnswer  # As it came.
    job: Send
    seconds: float


@dataclass(frozen=True, slots=True)
class Unsent:
    """An attempt was not sent, and is to be undone.

    ``retry_after``: seconds after which the breaker may permit it; None: the breaker was not asked, or permitted it.
    """

    job: Send
    retry_after: float | None


@dataclass(frozen=True, slots=True)
class Finished:
    """The work on an order is over for now: it is finished, put off, or there was nothing to do."""

    order_id: str


@dataclass(frozen=True, slots=True)
class Submitted:
    """The consumer has a message with these orders; ``done`` acknowledges it."""

    order_ids: Sequence[str]
    done: Callable[[], None]


@dataclass(frozen=True, slots=True)
class Stop:
    """The process ends: begin nothing more."""


Result = Paid | Unsent | Finished
Event = Submitted | Result | Stop
