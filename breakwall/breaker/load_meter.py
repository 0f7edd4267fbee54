"""What this process reports of its calls in hand: averages, and what has ended since its last report."""

import math
import statistics
from collections import deque

from breakwall.breaker.circuit.fleet_limit import LEAST_MEDIAN_CALLS, LoadReport
from breakwall.breaker.circuit.state import CallOutcome
from breakwall.breaker.hang_detector import HangDetector, RunningCall

LIVE_SECONDS = 1.0  # The average of live calls forgets so fast.
# Seconds for which a process waits for its turn after it asked for one: longer than until it asks again, so that it
# does not leave the others between two reports.
WAITS_FOR = 2.0
WAITS_INTERVAL = 1.0  # Seconds between two reports that say nothing but that it waits.
SHORTEST = 0.01  # Seconds in which calls were started, for a rate.
MOST_DURATIONS = 200  # For one median.


class LoadMeter:
    """Counts for one breaker. Its owner's lock guards it; ``now`` is monotonic seconds."""

    def __init__(self, now: float) -> None:
        self.in_hand = {False: 0, True: 0}  # By whether they are the background's.
        self.wants = False  # Whether a background call was refused for its share.
        self.refuses = False  # Whether a live call was refused for the limit.
        # While the service hangs. Calls that pile up then do not show how many places live calls need.
        self.hanging = False
        self._waits_until = -math.inf
        self._told_waits = False  # Whether the last report said that it waits.
        self._was_active = False
        self._averaged_at = self._reported_at = now
        self._live_average = self._background_sum = 0.0
        self._starts: deque[float] = (
            deque()
        )  # Of the background, in the last second, without those that were refused.
        self._throttled, self._held_until = 0, now
        self._background_refused = False
        self._at_refusal = (0, 1.0)  # How many starts were not refused until then, and in how many seconds.
        self.forget_ended()

    def forget_ended(self) -> None:
        """What has ended does not count any more: a new epoch of the limit begins."""
        self._answered = self._failed = 0
        self._durations: list[float] = []

    @property
    def number(self) -> int:
        """How many calls are in hand."""
        return self.in_hand[False] + self.in_hand[True]

    def began(self, call: RunningCall, now: float) -> None:
        self._average(now)
        self._was_active = True
        self.in_hand[call.background] += 1
        if call.background:
            self._forget_starts(now)
            self._starts.append(now)

    def left(self, call: RunningCall, now: float) -> None:
        """``call`` is not in hand any more."""
        self._average(now)
        self.in_hand[call.background] -= 1

    def ended(self, call: RunningCall, outcome: CallOutcome) -> None:
        """``call``, which is of the present epoch, has ended."""
        self._failed += outcome is CallOutcome.FAILURE
        if outcome is CallOutcome.SUCCESS:
            self._answered += 1
            if not call.excused and len(self._durations) < MOST_DURATIONS:
                self._durations.append(call.duration)

    def throttled(self, hold: float, now: float, *, background: bool) -> None:
        """The service refused a call for its rate, and asked for a pause of ``hold`` seconds."""
        self._throttled += 1
        self._forget_starts(now)
        if background:
            self._background_refused = True
            self.refused_for_rate(now)
        if background and self._starts:
            self._starts.pop()
        self._at_refusal = max(self._at_refusal, (len(self._starts), self._started_for(now)))
        self._held_until = max(self._held_until, now + hold)

    def refused_for_rate(self, now: float) -> None:
        """A background call has to wait for its turn."""
        self._waits_until = now + WAITS_FOR

    def has_no_turn(self, now: float) -> None:
        """There is none yet. Whoever waited for it, or has just had one, need not ask to wait for the next one."""
        self._forget_starts(now)
        if self.waits(now) or self._starts:
            self.refused_for_rate(now)

    def waits(self, now: float) -> bool:
        """Whether a background call asked for its turn a moment ago, and did not get it."""
        return now < self._waits_until

    def needs_report(self, now: float, *, limited: bool) -> bool:
        """Whether the others need a report, if there is a limit."""
        active = self._was_active or self.wants or self.refuses or self.number > 0
        tells = not self._told_waits or now >= self._reported_at + WAITS_INTERVAL
        return bool(self._throttled) or (limited and (active or (tells and self.waits(now))))

    def take(
        self,
        now: float,
        reporter_id: str,
        epoch: tuple[int, int],
        detector: HangDetector,
        *,
        limited: bool,
        capped: bool,
    ) -> LoadReport:
        """The report, which begins the time of the next one."""
        self._average(now)
        since = now - self._reported_at
        self._forget_starts(now)
        starts, started_for = max(self._at_refusal, (len(self._starts), self._started_for(now)))
        report = LoadReport(
            id=reporter_id,
            generation=epoch[0],
            epoch=epoch[1],
            in_hand=self.number if detector.crowd is None else detector.crowd,
            background=self._background_sum / since if since > 0 else self.in_hand[True],
            live=self._live_average,
            wants=self.wants,
            starts=float(starts),
            started_for=started_for,
            # Without a limit nothing was reported before: then the whole score is new.
            weight=detector.weight if limited else 0.0,
            run=detector.run if limited else detector.score,
            answered=self._answered,
            failed=self._failed,
            median=self._take_median(),
            throttled=self._throttled,
            hold=max(0.0, self._held_until - now) if self._throttled else 0.0,
            capped=capped,
            refuses=self.refuses,
            waits=self.waits(now),
            background_refused=self._background_refused,
        )
        detector.weight = detector.run = 0.0
        self._answered = self._failed = self._throttled = 0
        self.wants = self.refuses = self._was_active = self._background_refused = False
        self._reported_at, self._told_waits, self._background_sum = now, report.waits, 0.0
        self._at_refusal = (0, 1.0)
        return report

    def _average(self, now: float) -> None:
        """Bring the averages up to ``now``, before a change of what is in hand."""
        passed, self._averaged_at = now - self._averaged_at, now
        self._background_sum += passed * self.in_hand[True]
        if not self.hanging:
            excess = self.in_hand[False] - self._live_average
            self._live_average += excess * -math.expm1(-passed / LIVE_SECONDS)

    def _forget_starts(self, now: float) -> None:
        while self._starts and self._starts[0] < now - 1.0:
            self._starts.popleft()

    def _started_for(self, now: float) -> float:
        """Seconds since the first start of the last second."""
        return min(1.0, max(now - self._starts[0], SHORTEST)) if self._starts else 1.0

    def _take_median(self) -> float:
        if len(self._durations) < LEAST_MEDIAN_CALLS:
            return 0.0  # They wait for more.
        median, self._durations = statistics.median(self._durations), []
        return median
