"""What the processes report of their calls in hand, and the limit for all of them: values without rules."""

import math
from dataclasses import dataclass

# Seconds without a sign, and with at most half of the limit used, after which there is no limit any more.
QUIET_SECONDS = 10.0
# The weight of overdue calls (`hang_detector`) at which a process reports without a limit, and that is a sign.
SUSPICION, ALARM = math.log(1e3), math.log(1e6)
# A round is at least so many medians long: sooner, calls that began in the round before cannot be overdue yet.
MEDIANS_A_ROUND = 4
LEAST_MEDIAN_CALLS = 5  # A median of fewer calls says nothing.


@dataclass(frozen=True, slots=True)
class LoadReport:
    """What one process says of its calls: in hand now, and what has ended since its last report.

    Of the calls that have ended only those of the limit's present ``epoch`` count.
    """

    id: str
    generation: int = 0  # Of the limit, as the epoch.
    epoch: int = 0
    in_hand: int = 0  # Now.
    background: float = 0.0  # In hand on average since the last report.
    live: float = 0.0  # In hand on average in the last second or two.
    wants: bool = False  # Whether background calls were refused for its share.
    starts: float = 0.0  # Background calls of the last second that were not refused for their rate.
    started_for: float = 1.0  # Seconds since the first of these starts.
    # Of overdue calls, see `hang_detector`: the sum, and the score that these calls alone would have.
    weight: float = 0.0
    run: float = 0.0
    answered: int = 0
    failed: int = 0
    median: float = 0.0  # Seconds, of those that were answered.
    throttled: int = 0  # Calls that the service refused for their rate.
    background_refused: bool = False  # Whether calls of the background are among them.
    hold: float = 0.0  # Seconds for which it asked to be left alone then.
    capped: bool = False  # Whether an operator caps the background's rate, and it uses its share.
    refuses: bool = False  # Whether live calls were refused for the limit.
    waits: bool = (
        False  # Whether background calls were refused for a rate a moment ago: they wait for their turn.
    )


@dataclass(frozen=True, slots=True)
class ProcessLoad:
    """The last report of one process that matters to the others."""

    id: str
    at: float
    in_hand: int = 0
    background: float = 0.0
    live: float = 0.0
    wants: bool = False
    starts: float = 0.0
    capped: bool = False
    refuses: bool = False
    waits: bool = False

    @property
    def takes(self) -> bool:
        """Whether it takes part of what the background may do."""
        return bool(self.wants or self.background or self.starts or self.waits)


@dataclass(frozen=True, slots=True)
class FleetLimit:
    """The limit of one ``generation`` of the circuit, and what it is computed from. Times are on the store's clock."""

    generation: int = 0
    size: float | None = None  # Calls in hand; None: no limit.
    epoch: int = 0  # Of the last step down. The results of older calls do not count any more.
    proven: bool = False  # Whether a call of this epoch was answered.
    ceiling: float | None = None
    base: float | None = None  # Seconds; the smallest median.
    score: float = 0.0
    tolerated: float = 0.0  # The share of failures that a smaller limit did not change.
    cut_for: float = 0.0  # The share of failures at the last step down for failures.
    slow_for: float = 0.0  # Seconds; the median at the last step down for latency.
    round_at: float | None = None  # The end of the last round.
    rest_until: float | None = None
    gathers_until: float | None = (
        None  # After the first sign: until then the other processes' part of it comes in.
    )
    busy_at: float | None = (
        None  # The last sign of overload, and the last time that half of the limit was used.
    )
    answered: int = 0  # In this round, as the next three.
    failed: int = 0
    medians: int = 0
    latency: float = 0.0
    pace: float = 0.0  # Answers a second in the round before.
    rate: float | None = None  # Background calls a second; None: any number.
    rate_ceiling: float | None = None  # The rate at which the service last refused calls.
    refused_at: float | None = None  # When the service last refused calls for their rate.
    rate_at: float | None = None  # When the rate was last changed.
    hold_until: float | None = None  # No background call until then: the service asked for that.
    processes: tuple[ProcessLoad, ...] = ()
    unknown: str = ""

    def has_expired(self, now: float) -> bool:
        """Whether no process has reported for so long that the limit says nothing any more."""
        # A round of a slow service may be longer than that.
        longest = QUIET_SECONDS + MEDIANS_A_ROUND * (self.base or self.latency)
        return now - (self.round_at or now) > longest

    def shares_with(self, id_: str) -> bool:
        """Whether the process ``id_`` takes part of what the background may do."""
        return any(process.id == id_ and process.takes for process in self.processes)

    @property
    def limits(self) -> bool:
        """Whether it limits anything, or may soon."""
        return self.size is not None or self.rate is not None or self.score >= SUSPICION

    @property
    def places(self) -> int | None:
        """The limit as a whole number."""
        return None if self.size is None else max(1, int(self.size + 1e-6))
