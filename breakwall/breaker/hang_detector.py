"""Notices that a service hangs by the age of the calls in hand, long before their timeout.

A call is overdue if it is older than ``overdue_age``: four times the usual median, and at least 50 ms. A healthy
service has overdue calls too, and of one with a broken machine among many some are never answered. So their usual share
is learned, and a hang is a run of overdue calls that this share does not explain (a CUSUM test: Page, 1954). A service
with a heavy tail needs a longer run than a quick one.
"""

import math
import statistics
from collections import deque

from breakwall.breaker.background_ramp import BackgroundRamp
from breakwall.breaker.circuit.state import CallOutcome

LEAST_OVERDUE_AGE = 0.05  # Seconds. A pause of this process alone can be that long.
OVERDUE_MEDIANS = 4
# The calls that show what is usual: few enough that a service that became slower for good is soon accepted.
HISTORY = 300
LEAST_HISTORY = 5
# After a hang only the newest count, so that a service that answers all calls, but slower, is accepted within seconds.
HISTORY_AFTER_HANG = 50
# The share of overdue calls while a service hangs.
HANGING_SHARE = 0.9
# A service without a hang has a false alarm once in a million calls or less often (Lorden, 1971). After 200 quick calls
# three overdue ones in a row are enough.
ALARM_SCORE = math.log(1e6)
# Seconds without a look at the calls in hand. This process was stopped, with its host or alone, or had nothing to do.
UNWATCHED = 0.5
RELEARN_SHARE = 1 / 16  # Of the history: when so much of it is new, the thresholds are computed again.


class RunningCall:
    """A call in hand: ``began_at`` is on the breaker's clock. It is done when its outcome is known."""

    __slots__ = (
        "answered",
        "background",
        "began_at",
        "counts",
        "done",
        "duration",
        "epoch",
        "excused",
        "in_hand",
    )

    def __init__(
        self, began_at: float, *, background: bool = False, epoch: int = 0, in_hand: int = 0
    ) -> None:
        self.began_at = began_at
        self.background = background
        self.epoch = epoch  # Of the fleet's limit, when it began.
        self.in_hand = in_hand  # How many calls this process had in hand then, with this one.
        self.duration = 0.0
        self.done = False
        self.counts = True  # Whether its end says anything about the service.
        self.answered = False
        self.excused = False  # Whether this process stood still meanwhile, so that its duration says nothing.


class HangDetector:
    """One process's calls in the order in which they began. Its owner's lock guards it.

    ``now`` is monotonic seconds.
    """

    def __init__(self) -> None:
        self.ramp = BackgroundRamp()
        self.overdue_age = math.inf  # Seconds; infinite until enough calls were answered.
        self.median = 0.0  # Seconds; of the history.
        self.hanging_since: float | None = None
        self.score = 0.0
        self._looked_at = math.inf
        self.epoch = 0  # Of the limit that is in force.
        # What this epoch's calls add to the fleet's score since the owner last took it: their sum, and the score that
        # they alone would have.
        self.weight = self.run = 0.0
        self._history: deque[float] = deque(maxlen=HISTORY)  # The durations of calls that were answered.
        # What calls took when it was decided whether they are overdue: infinite without an answer, and 0 if they failed
        # sooner. So calls that are stuck count as soon as they are overdue, long before they fail.
        self._decided: deque[float] = deque(maxlen=HISTORY)
        self._unlearned = 0
        self._undecided: deque[RunningCall] = deque()
        self._suspects: list[RunningCall] = []  # The overdue calls of the present run.
        self._up = self._down = (
            0.0  # What an overdue call adds to the score, and what another one takes from it.
        )

    def begin_epoch(self) -> None:
        """Only calls that begin from now on add to the fleet's score."""
        self.epoch += 1
        self.weight = self.run = 0.0

    def began(self, call: RunningCall) -> None:
        self._look(call.began_at)
        self._undecided.append(call)

    def ended(self, call: RunningCall, outcome: CallOutcome, now: float) -> None:
        """``call`` has ended. Answers show what is usual; a call that was not sent shows nothing."""
        self._look(now)
        call.done, call.duration = True, now - call.began_at
        call.counts = outcome is not CallOutcome.NEUTRAL and not call.excused
        if call.counts and outcome is CallOutcome.SUCCESS:
            call.answered = True
            self._history.append(call.duration)
            self._unlearned += 1
            if self._unlearned >= RELEARN_SHARE * len(self._history):
                self._learn()

    def is_hanging(self, now: float) -> bool:
        """Whether so many calls are overdue that no call should be started now."""
        self._look(now)
        self._decide(now)
        if self.hanging_since is not None and self._has_cleared():
            self._end_hang()
        return self.hanging_since is not None

    def _look(self, now: float) -> None:
        """After a long time without a look the answers may be there, unread: the calls' ages begin again, once.

        A process that was stopped with calls in hand would otherwise take them all for overdue.
        """
        unwatched, self._looked_at = now - self._looked_at, now
        if unwatched < max(UNWATCHED, self.overdue_age):
            return
        for call in self._undecided:
            if not call.done and not call.excused:
                call.began_at, call.excused = now, True

    def _decide(self, now: float) -> None:
        """Decide the calls in the order in which they began, as far as it is known whether they are overdue.

        So some calls that are stuck for ever are no hang if later ones were answered.
        """
        undecided, age = self._undecided, self.overdue_age
        while undecided:
            call = undecided[0]
            duration = call.duration if call.done else now - call.began_at
            if not call.done and duration < age:
                return
            undecided.popleft()
            if call.background and call.answered and duration < age:
                self.ramp.answered(call.began_at)
            if call.counts and age < math.inf:
                self._weigh(call, now, is_overdue=duration >= age)

    def _weigh(self, call: RunningCall, now: float, *, is_overdue: bool) -> None:
        self._decided.append(call.duration if call.answered else math.inf if is_overdue else 0.0)
        if not is_overdue:
            self._add_weight(call, -self._down)
            self.score = max(0.0, self.score - self._down)
            if not self.score:
                self._suspects.clear()  # Later calls were answered: these are stuck, but the service is not.
            return
        self._add_weight(call, self._up)
        self.score = min(ALARM_SCORE, self.score + self._up)
        self._suspects.append(call)
        if self.score >= ALARM_SCORE and self.hanging_since is None and not self._has_cleared():
            self.hanging_since = now

    def _add_weight(self, call: RunningCall, weight: float) -> None:
        if call.epoch == self.epoch:
            self.weight += weight
            self.run = max(0.0, self.run + weight)

    @property
    def crowd(self) -> int | None:
        """How many calls were in hand when the first overdue one of the present run began; None without one."""
        return self._suspects[0].in_hand if self._suspects else None

    def _has_cleared(self) -> bool:
        return all(call.done for call in self._suspects)

    def _end_hang(self) -> None:
        self.hanging_since = None
        self._suspects.clear()
        self.score = 0.0
        while len(self._history) > HISTORY_AFTER_HANG:
            self._history.popleft()
        self._decided.clear()  # The calls of the hang say nothing of what is usual.
        self._learn()

    def _learn(self) -> None:
        self._unlearned = 0
        if len(self._history) < LEAST_HISTORY:
            return
        self.median = statistics.median(self._history)
        self.overdue_age = max(LEAST_OVERDUE_AGE, OVERDUE_MEDIANS * self.median)
        if not self._decided:
            self._decided.extend(self._history)
        overdue = sum([duration >= self.overdue_age for duration in self._decided])
        share = min((overdue + 1) / (len(self._decided) + 2), HANGING_SHARE / 2)
        self._up = math.log(HANGING_SHARE / share)
        self._down = -math.log((1 - HANGING_SHARE) / (1 - share))
