"""When a breaker next synchronizes with its store, and how long the store has been silent."""

from collections.abc import Callable

from breakwall.breaker.config import CircuitBreakerConfig
from breakwall.breaker.sync.fast_path import NEVER

# After lost races, failures are gathered for this share of a refresh interval and at most so many seconds, or down to
# half of it. Sending each at once would mostly lose again, and delay noticing that the circuit is open: `docs/adr/0005`
# has the measurement. The share is below 1, so that each refresh still brings all outcomes.
GATHERING = 0.5
LONGEST_GATHERING = 0.1
# A busy process is late now and then. A store that says nothing for so many seconds is lost.
LONGEST_SILENCE = 1.0
# A process that lost the store for a while, but not the service, finds the store back after one refresh interval and
# has reported its successes after two.
INTERVALS_TO_REFUTE = 3


class Schedule:
    """Moments on one breaker's clock. Its owner's lock guards it.

    Attributes:
        due: when the copy of the circuit is to be renewed.
        lost_at: when the store was last lost.
        longest_silence: seconds.
    """

    def __init__(self, config: CircuitBreakerConfig, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._interval = config.refresh_interval
        self._first_contact = max(config.first_contact, config.store_timeout)
        self._first_until: float | None = None
        self._has_answered = False
        self.longest_silence = max(LONGEST_SILENCE, config.store_timeout)
        self.due = self.lost_at = NEVER
        self._began_at = self._late_at = NEVER
        self._back_at: float | None = None
        self._gather_until = NEVER

    @property
    def is_due(self) -> bool:
        return self._clock() >= self.due

    @property
    def gather_for(self) -> float:
        """For how many seconds failures are still gathered before they are sent."""
        return max(0.0, self._gather_until - self._clock())

    @property
    def is_silent(self) -> bool:
        """Whether a late store has said nothing for so long that it is lost."""
        return self._clock() - max(self._late_at, self._began_at) >= self.longest_silence

    @property
    def took_too_long(self) -> bool:
        """Whether the store was silent for so long, in a synchronization that ends now, that it is lost."""
        longest = self.longest_silence
        if not self._has_answered:
            longest = max(longest, self._first_contact)
        return self._clock() - self._began_at >= longest

    @property
    def first_timeout(self) -> float:
        """For how many seconds a call may still wait for a store that has never answered.

        Counted from the first call that asks: later ones wait together with it.
        """
        if self._first_until is None:
            self._first_until = self._clock() + self._first_contact
        return max(0.0, self._first_until - self._clock())

    @property
    def others_had_time(self) -> bool:
        """Whether the store has been back for so long that every busy process has reported."""
        refutable_for = INTERVALS_TO_REFUTE * self._interval
        return self._back_at is not None and self._clock() >= self._back_at + refutable_for

    def began(self) -> None:
        """A synchronization begins."""
        self._began_at = self._clock()

    def answered(self, at: float, *, again: bool) -> None:
        """The copy is the store's of the moment ``at``; to be renewed ``again`` with the next call, or when due."""
        self._has_answered = True
        self._back_at = None
        self.due = at if again else at + self._interval

    def raced(self, jitter: float) -> None:
        """Others' swaps came before ours."""
        gathering = min(self._interval * GATHERING, LONGEST_GATHERING) * (1 - jitter / 2)
        self._gather_until = self._clock() + gathering

    def is_back(self) -> None:
        """The store answers after a loss, but others may still refute the local circuit."""
        if self._back_at is None:
            self._back_at = self._clock()
        self.try_later()

    def try_later(self) -> None:
        """The store is of no use for one refresh interval."""
        self.due = self._clock() + self._interval

    def is_late(self) -> None:
        """An answer is overdue; with it the store may be lost."""
        self._late_at = self._clock()
        self.try_later()
        # What others sent before they noticed may still arrive when the store goes on.
        self.lost_at = self.due

    def is_lost(self) -> None:
        """The store is lost from now on."""
        self.lost_at = self._clock()

    def failed(self) -> None:
        """A synchronization has failed: when the store is back, busy processes need time again to find it."""
        self._back_at = None
        self.try_later()
