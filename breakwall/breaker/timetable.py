"""When a member next speaks to its store, and how long it has heard nothing."""

from __future__ import annotations

from collections.abc import Callable

from breakwall.breaker.config import CircuitBreakerConfig

# After an exchange that lost every race, the pause before outcomes are sent again doubles up to this many
# refresh intervals. The copy is refreshed meanwhile: a look at the store races with nobody.
LONGEST_STRETCH = 8
# After an exchange that lost races and then succeeded, outcomes are gathered for this share of a refresh interval
# and at most so many seconds, or down to half of it. Of a fleet that fails together each member would have lost
# most of the next races too, and who races learns late that the circuit is open. Below 1, so that each refresh
# still brings all outcomes.
GATHERING = 0.5
LONGEST_GATHERING = 0.1
# A busy process is late now and then. A store that says nothing at all for so many seconds is lost.
LONGEST_SILENCE = 1.0
# Who lost the store for a while and not the service is back after one refresh interval and has reported
# after two.
REFUTING_INTERVALS = 3
NEVER = float("-inf")


class Timetable:
    """Points in time on one member's clock. Its owner's lock guards it.

    Attributes:
        due: when the copy of the circuit is to be refreshed.
        lost_at: when the store was last lost.
    """

    def __init__(self, config: CircuitBreakerConfig, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._interval = config.refresh_interval
        self._longest_silence = max(LONGEST_SILENCE, config.store_timeout)
        self._first_contact = max(config.first_contact, config.store_timeout)
        self._first_until: float | None = None
        self._met = False
        self.due = self.lost_at = NEVER
        self._flush_due = self._heard_at = self._late_at = NEVER
        self._stretch = 1
        self._hasty = False
        self._back_at: float | None = None

    @property
    def is_due(self) -> bool:
        return self._clock() >= self.due

    @property
    def may_flush(self) -> bool:
        """Whether outcomes may be sent: they are held back for a while after a crowd."""
        return self.flush_in == 0.0

    @property
    def flush_in(self) -> float:
        """Seconds until outcomes may be sent."""
        return 0.0 if self._hasty else max(0.0, self._flush_due - self._clock())

    @property
    def is_silent(self) -> bool:
        """Whether a store that is late has said nothing for so long that it is lost."""
        return self._clock() - max(self._late_at, self._heard_at) >= self._longest_silence

    @property
    def first_patience(self) -> float:
        """For how many seconds the store may still be waited for that was never spoken to. From the first one
        who asks: those who come later need not wait for as long."""
        if self._first_until is None:
            self._first_until = self._clock() + self._first_contact
        return max(0.0, self._first_until - self._clock())

    def try_later(self) -> None:
        """There is nothing to be had from the store for one refresh interval."""
        self.due = self._clock() + self._interval

    def fresh_from(self, at: float, *, again: bool) -> None:
        """The copy is the store's of ``at``; worth refreshing ``again`` with the next call, or in time."""
        self.due = at if again else at + self._interval
        self._back_at = None

    def sent(self) -> None:
        """An exchange begins."""
        self._heard_at = self._clock()

    def hear(self) -> None:
        """The store has said something.

        Raises:
            TimeoutError: after so long a silence that it was given up, and what was on its way with it.
        """
        now = self._clock()
        longest = self._longest_silence if self._met else max(self._longest_silence, self._first_contact)
        if now - self._heard_at >= longest:
            raise TimeoutError
        self._heard_at, self._met = now, True

    def flushed(self, *, raced: bool, luck: float) -> None:
        """Changes have arrived; ``raced`` is after lost races."""
        self._stretch = max(1, self._stretch // 2)
        gathering = min(self._interval * GATHERING, LONGEST_GATHERING) * (1 - luck / 2)
        self._flush_due = self._clock() + gathering if raced else NEVER

    def hasten(self) -> None:
        """Outcomes may be sent from now on, whatever the crowd: there will be no other time."""
        self._hasty = True

    def crowded(self) -> None:
        """Changes have lost every race."""
        self._stretch = min(self._stretch * 2, LONGEST_STRETCH)
        self._flush_due = self._clock() + self._interval * self._stretch

    def late(self) -> None:
        """An answer is overdue, and with it perhaps the store lost."""
        self._late_at = self._clock()
        self.try_later()
        # What others sent before they noticed may still arrive when the store goes on.
        self.lost_at = self.due

    def lost(self) -> None:
        """The store is lost from now on."""
        self.lost_at = self._clock()

    def failed(self) -> None:
        """The store does not answer; when it does, whoever is busy has to find that out first."""
        self._back_at = None

    def others_had_time(self) -> bool:
        """Whether the store has been back for so long that whoever is busy has reported."""
        if self._back_at is None:
            self._back_at = self._clock()
        return self._clock() >= self._back_at + REFUTING_INTERVALS * self._interval
