"""When a breaker next synchronizes with its store, and how long the store has been silent."""

from collections.abc import Callable

from breakwall.breaker.config import CircuitBreakerConfig
from breakwall.breaker.sync.fast_path import LONG_AGO

# After a lost race, failures are gathered before the next swap: for a random time between half of this share of a
# refresh interval and all of it, and at most so many seconds. Without that the next swap would probably lose too, and
# the process would notice later that the circuit is open: `docs/adr/0005` has the measurement. The share is below 1, so
# that each refresh still sends all outcomes.
GATHERING = 0.5
LONGEST_GATHERING = 0.1
# Seconds without an answer after which a store is lost. A shorter silence may only show that this process is busy.
LONGEST_SILENCE = 1.0
# A process that lost the store but not the service finds the store again within one refresh interval, and has reported
# its successes within two.
INTERVALS_TO_REFUTE = 3


class Schedule:
    """Moments on one breaker's clock. The owner's lock guards it."""

    def __init__(self, config: CircuitBreakerConfig, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._interval = config.refresh_interval
        self._first_contact = max(config.first_contact, config.store_timeout)
        self._first_until: float | None = None
        self._has_answered = False
        self.longest_silence = max(LONGEST_SILENCE, config.store_timeout)
        self.due = LONG_AGO  # When to synchronize next: at first, at once.
        self.lost_at = LONG_AGO  # When the store was last lost.
        self._began_at = self._late_at = LONG_AGO
        self._back_at: float | None = None
        self._gather_until = LONG_AGO

    @property
    def is_due(self) -> bool:
        return self._clock() >= self.due

    @property
    def gather_for(self) -> float:
        """Seconds until gathered failures are sent."""
        return max(0.0, self._gather_until - self._clock())

    @property
    def is_silent(self) -> bool:
        """Whether a slow store has been silent for so long that it is lost."""
        return self._clock() - max(self._late_at, self._began_at) >= self.longest_silence

    @property
    def took_too_long(self) -> bool:
        """Whether the synchronization that ends now took so long that the store is lost."""
        longest = self.longest_silence
        if not self._has_answered:
            longest = max(longest, self._first_contact)
        return self._clock() - self._began_at >= longest

    @property
    def first_timeout(self) -> float:
        """Seconds that a call may wait for a store that has never answered, counted from the first such call."""
        if self._first_until is None:
            self._first_until = self._clock() + self._first_contact
        return max(0.0, self._first_until - self._clock())

    @property
    def others_had_time(self) -> bool:
        """Whether the store has been back so long that every busy process has reported."""
        refutable_for = INTERVALS_TO_REFUTE * self._interval
        return self._back_at is not None and self._clock() >= self._back_at + refutable_for

    def began(self) -> None:
        """A synchronization begins."""
        self._began_at = self._clock()

    def answered(self, at: float, *, again: bool) -> None:
        """The store has answered at the moment ``at``. ``again``: synchronize again with the next call."""
        self._has_answered = True
        self._back_at = None
        self.due = at if again else at + self._interval

    def raced(self, jitter: float) -> None:
        """A swap has lost a race: gather the next failures."""
        gathering = min(self._interval * GATHERING, LONGEST_GATHERING) * (1 - jitter / 2)
        self._gather_until = self._clock() + gathering

    def came_back(self) -> None:
        """The store answers after a loss, but other processes may still refute the local circuit."""
        if self._back_at is None:
            self._back_at = self._clock()
        self.try_later()

    def try_later(self) -> None:
        """Synchronize again after one refresh interval."""
        self.due = self._clock() + self._interval

    def became_late(self) -> None:
        """An answer is overdue, and the store may be lost."""
        self._late_at = self._clock()
        self.try_later()
        # Other processes notice it within an interval. What they sent until then may arrive when the store is back.
        self.lost_at = self.due

    def became_lost(self) -> None:
        """The store is lost from now on."""
        self.lost_at = self._clock()

    def failed(self) -> None:
        """A synchronization has failed. When the store is back, busy processes again need time to notice."""
        self._back_at = None
        self.try_later()
