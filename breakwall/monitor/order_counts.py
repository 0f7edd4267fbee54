"""The numbers of a snapshot that are about orders, and how they were counted."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from breakwall.monitor.failures import FailureGroup
from breakwall.monitor.retry_shape import DueBucket, RetryBucket
from breakwall.payments.fleet.workers import Worker

# Seconds of finished orders that give the drain's speed: long enough to be steady, short enough to forget an
# outage one minute after its end.
DRAIN_WINDOW = 60.0
# Seconds for which an order is due and no waiting order is finished, before that is an alarm.
STALLED_AFTER = 300.0


class Counted(StrEnum):
    """How the waiting orders of a snapshot were counted. The names are public."""

    NOW = "now"  # All of them, for this snapshot.
    STORED = "stored"  # All of them, by a worker some seconds ago.
    SAMPLED = "sampled"  # Their number; the rest is of the first `SAMPLED` of them, so it is a lower bound.
    AT_LEAST = "at_least"  # The same, and their number is a lower bound as well.

    @property
    def is_partial(self) -> bool:
        """Whether numbers of a snapshot are lower bounds."""
        return self in {Counted.SAMPLED, Counted.AT_LEAST}


@dataclass(frozen=True, slots=True)
class Rejected:
    """Waiting orders that need other settings: the payment service rejected their last attempt."""

    orders: int = 0
    example: str | None = None  # The answer to one of them, with the settings to check; None without any.


NONE_REJECTED = Rejected()


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderCounts:
    """All unfinished orders in numbers."""

    at: datetime  # When they were counted, by the database's clock; aware, in UTC.
    counted: Counted = Counted.NOW
    age_seconds: float = 0.0  # Since ``at``; more than 0.0 only for `Counted.STORED`.
    queued: int  # They wait for a worker, due or not.
    due: int  # Those of ``queued`` whose next attempt is due now.
    amounts: dict[str, int] = field(default_factory=dict)  # Of ``queued``: minor units by currency.
    rejected: Rejected = NONE_REJECTED  # Those of ``queued`` that wait for a person to correct the settings.
    in_flight: int = 0  # A process has claimed them: it charges them now, or has died.
    abandoned: int = 0  # Those of ``in_flight`` with an expired claim; a worker takes them back.
    review: int = 0  # A person has to find out whether they were charged.
    dead: int = 0  # Their retries are exhausted, and none of their attempts is unresolved.
    # How ``review`` and ``dead`` were counted, with their money: `Counted.STORED` or `AT_LEAST` only if they are many.
    aside_counted: Counted = Counted.NOW
    # By state (``queued``, ``in_flight``, ``review``, ``dead``) and currency: minor units.
    money: dict[str, dict[str, int]] = field(default_factory=dict)
    retry_histogram: tuple[RetryBucket, ...] = ()  # Of ``queued``: how often the worker has tried them.
    next_retries: tuple[DueBucket, ...] = ()  # Of ``queued``: when their next attempts are due.
    failures: tuple[FailureGroup, ...] = ()  # Why attempts failed lately, by kind: see `failures`.
    oldest_age_seconds: float  # Since the oldest waiting order was accepted; 0.0 if none waits.
    oldest_due_age_seconds: float = 0.0  # Since the first of the due orders was due; 0.0 if none is.
    next_due_seconds: float | None  # Until the next waiting order is due; 0.0 if one is, None if none waits.
    drained_last_minute: int  # Orders that had waited and were finished within `DRAIN_WINDOW`.
    incidents: int  # The open ones.

    @property
    def queued_text(self) -> str:
        """``queued`` as a number for people, with "at least" where it is a lower bound."""
        return f"{'at least ' if self.counted is Counted.AT_LEAST else ''}{self.queued:,}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts(OrderCounts):
    """The same, with what the drain's speed and the alarms are computed from."""

    last_due: float  # Seconds until the last waiting order is due.
    span: float  # Seconds since the first order of ``drained_last_minute`` was finished.
    stalled: bool  # An order was due for `STALLED_AFTER`, and no waiting order was finished in that time.
    fleet: list[Worker]
    # Due orders of gateways that no live worker has, by their names: at most `homeless.MOST` are counted.
    homeless: dict[str, int] = field(default_factory=dict)
