"""The calls that one breaker of this process has in hand at the service, and whether another may be started."""

import secrets
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from breakwall.breaker.circuit.fleet_limit import SUSPICION, FleetLimit, LoadReport
from breakwall.breaker.circuit.fleet_rate import turn_among_takers
from breakwall.breaker.circuit.limit import in_force
from breakwall.breaker.circuit.shares import ProcessShare, allowance
from breakwall.breaker.circuit.state import CallOutcome, Circuit, CircuitState
from breakwall.breaker.hang_detector import HangDetector, RunningCall
from breakwall.breaker.load_meter import LoadMeter
from breakwall.breaker.rate_cap import RateCap
from breakwall.breaker.token_bucket import TokenBucket

# Seconds after which to ask again while the service hangs: less than a caller notices, and not a busy loop.
HANG_RETRY_AFTER = 0.5
LIMIT_RETRY_AFTER = 0.1  # Seconds; half a refresh interval, after which the limit may be another.
RAMP_RETRY_AFTER = 0.05  # Seconds; a step of the ramp takes less if the service is quick.
LEAST_RETRY_AFTER, LONGEST_RETRY_AFTER = 0.05, 1.0
LONG_AGO = float("-inf")


@dataclass(frozen=True, slots=True)
class LimitRefusal:
    """Why a call may not be started now, though the circuit is closed."""

    reason: str
    retry_after: float  # Seconds.


def refusal_by_rate(wait: float) -> LimitRefusal:
    """No call may be started for ``wait`` seconds, because of a rate."""
    retry_after = min(max(wait, LEAST_RETRY_AFTER), LONGEST_RETRY_AFTER)
    return LimitRefusal("the limit of calls a second is reached", retry_after)


@dataclass(frozen=True, slots=True)
class Load:
    """What a breaker's status says of the calls in hand; see `BreakerStatus`."""

    limit: int | None = None
    in_hand: int = 0
    background_slots: int | None = None
    hanging: bool = False
    rate: float | None = None
    background_wait: float = 0.0


class CallsInHand:
    """The table of these calls. Safe for threads.

    ``longest``: seconds after which a call whose result was never recorded counts as lost. ``on_hang`` is called with
    True if a hang is noticed and with False when it is over, outside of every lock.
    """

    def __init__(
        self, clock: Callable[[], float], longest: float, on_hang: Callable[[bool], None], cap: RateCap
    ) -> None:
        self._clock = clock
        self._longest = longest
        self._on_hang = on_hang
        self._cap = cap
        self._began: deque[RunningCall] = deque()
        self.reset()

    def reset(self) -> None:
        """Begin anew: at the start, and in a forked child, whose parent has these calls."""
        self._lock = threading.Lock()
        for call in list(self._began):
            call.done = True  # A result that is recorded here all the same changes nothing.
        self._began = deque()  # In order; those that are done leave when they come first.
        self._id = secrets.token_hex(4)
        self._detector, self._meter, self._bucket = HangDetector(), LoadMeter(self._clock()), TokenBucket()
        self._held_until = LONG_AGO  # On the breaker's clock: no background call until then.
        self._fleet: FleetLimit | None = None
        self._epoch = (0, 0)  # The circuit's generation, and the epoch of its limit.
        self._allowance = ProcessShare()
        self._followed: tuple[FleetLimit | None, int, bool] | None = None

    # --- the calls

    def begin(
        self, circuit: Circuit, store_now: float, *, background: bool, is_local: bool
    ) -> RunningCall | LimitRefusal:
        """Enter a call that begins now; or say why it may not begin.

        ``is_local``: whether the store is lost, so that the circuit's limit may be old.
        """
        now = self._clock()
        with self._lock:
            self._follow(circuit, now, store_now, is_local=is_local)
            hanging, changed = self._look(now, store_now)
            entered: RunningCall | LimitRefusal | None
            if hanging:
                entered = LimitRefusal("the service hangs", HANG_RETRY_AFTER)
            else:
                entered = self._refusal(now, store_now, background=background, is_local=is_local)
            entered = entered or self._enter(now, background=background)
        if changed:
            self._on_hang(hanging)
        return entered

    def enter(self, *, background: bool) -> RunningCall:
        """Enter a call that may begin in any case: a probe, or by an operator's override."""
        with self._lock:
            return self._enter(self._clock(), background=background)

    def prepare(self, call: RunningCall) -> RunningCall:
        """``call`` is in hand, but reaches the service later. Returns it as it is until `sent`."""
        with self._lock:
            return self._restarted(call)

    def sent(self, call: RunningCall) -> RunningCall:
        """``call`` reaches the service only now: its age begins. Returns it as it is from now on."""
        with self._lock:
            again = self._restarted(call)
            if not again.done:
                self._detector.began(again)
            return again

    def end(self, call: RunningCall, outcome: CallOutcome) -> bool:
        """``call`` has ended. Returns whether its outcome counts: not that of an older epoch of the limit."""
        now = self._clock()
        with self._lock:
            if not call.done:
                self._leave(call, outcome, now)
            return call.epoch == self._detector.epoch

    def throttled(self, call: RunningCall, hold: float) -> None:
        """The service refused a call for its rate. No background call is started for ``hold`` seconds."""
        with self._lock:
            self._meter.throttled(hold, self._clock(), background=call.background)
            # At once, without a store: the calls of the next moments would be refused too.
            self._held_until = max(self._held_until, self._clock() + hold)
            self._bucket.empty_until(self._held_until)

    @property
    def number(self) -> int:
        """How many calls are in hand."""
        return self._meter.number

    # --- the limit

    def follow(self, circuit: Circuit, store_now: float, *, is_local: bool) -> None:
        """Take over the circuit's limit, and who shares the rates."""
        with self._lock:
            self._follow(circuit, self._clock(), store_now, is_local=is_local)

    def report(self, circuit: Circuit) -> LoadReport | None:
        """What to tell the other processes; None if there is no limit, nothing to limit, or nothing new."""
        now = self._clock()
        with self._lock:
            # Without `_look`: only a caller can report a change, outside of the replica's lock.
            self._detector.is_hanging(now)
            if circuit.state is not CircuitState.CLOSED:
                return None
            if self._bucket.wait(now) > 0:
                self._meter.has_no_turn(now)
            limited = circuit.limit is not None and circuit.limit.limits
            capped = self._cap.takes(now) or (self._cap.per_second is not None and self._meter.waits(now))
            is_suspicious = self._detector.score >= SUSPICION
            if not self._meter.needs_report(now, limited=limited or is_suspicious) and not (
                self._cap.needs_report(now)
            ):
                return None
            self._cap.reported(now)
            return self._meter.take(
                now, self._id, self._epoch, self._detector, limited=limited, capped=capped
            )

    def load(self, circuit: Circuit, store_now: float, slots: int | None, *, is_local: bool) -> Load:
        """What the status says, if the circuit itself has ``slots``."""
        now = self._clock()
        with self._lock:
            self._follow(circuit, now, store_now, is_local=is_local)
            hanging, changed = self._look(now, store_now)
            free = slots if slots is not None else self._free(now, store_now, is_local=is_local)
            fleet = self._fleet or FleetLimit()
            others = sum([process.in_hand for process in fleet.processes if process.id != self._id])
            load = Load(
                limit=None if fleet.has_expired(store_now) else fleet.places,
                in_hand=self._meter.number + others,
                background_slots=0 if hanging and slots is None else free,
                hanging=hanging,
                rate=fleet.rate,
                background_wait=max(self._bucket.wait(now), self._held_for(now, store_now)),
            )
        if changed:
            self._on_hang(hanging)
        return load

    # --- private; the lock is held

    def _follow(self, circuit: Circuit, now: float, store_now: float, *, is_local: bool) -> None:
        """Take over the fleet's limit. A new epoch of it is one of the calls that begin from now on."""
        fleet = in_force(circuit.limit, circuit.generation, store_now)
        cannot_tell = is_local or circuit.state is not CircuitState.CLOSED
        following = (fleet, circuit.generation, cannot_tell)
        if self._followed is not None and fleet is self._fleet and following[1:] == self._followed[1:]:
            return
        self._followed = following
        epoch = (circuit.generation, 0 if fleet is None else fleet.epoch)
        if epoch != self._epoch:
            self._epoch = epoch
            self._detector.begin_epoch()
            self._meter.forget_ended()
        self._fleet = fleet
        self._allowance = allowance(fleet or FleetLimit(), self._id)
        self._follow_rate(fleet or FleetLimit(), now, store_now)
        self._cap.follow(fleet, self._id, now, store_now, is_lost=cannot_tell)

    def _follow_rate(self, fleet: FleetLimit, now: float, store_now: float) -> None:
        """Take over the fleet's rate, and this process's turns under it. All turns begin when a pause ends."""
        turn = turn_among_takers(fleet, self._id)
        self._bucket.set_rate(None if fleet.rate is None else fleet.rate / turn.number, now)
        self._bucket.take_turns(turn, fleet.hold_until or 0.0, now, store_now)

    def _refusal(
        self, now: float, store_now: float, *, background: bool, is_local: bool
    ) -> LimitRefusal | None:
        allowed = self._allowed(store_now, background=background, is_local=is_local)
        if allowed is not None and self._meter.in_hand[background] >= allowed:
            self._meter.wants = self._meter.wants or background
            self._meter.refuses = self._meter.refuses or not background
            return LimitRefusal("the limit of calls at once is reached", LIMIT_RETRY_AFTER)
        if not background:
            return None
        if allowed is None:
            allowed = self._detector.ramp.window
            if self._meter.in_hand[True] >= allowed:
                self._meter.wants = True
                return LimitRefusal("the first calls are to be answered before more", RAMP_RETRY_AFTER)
        wait = max(self._bucket.wait(now), self._held_for(now, store_now)) or self._cap.take(now)
        if wait > 0:
            self._meter.refused_for_rate(now)
            return refusal_by_rate(wait)
        self._bucket.take(now)
        # Its share is full: with a larger one it would start more.
        if self._meter.in_hand[True] + 1 >= allowed:
            self._meter.wants = True
        return None

    def _allowed(self, store_now: float, *, background: bool, is_local: bool) -> int | None:
        """How many calls of this kind this process may have in hand; None is any number."""
        if self._fleet is None or self._fleet.has_expired(store_now):
            return None
        allowed = self._allowance.background if background else self._allowance.live
        if allowed is None or not is_local:
            return allowed
        # Nobody says how much of the limit is left. One call at once lets the work go on, and harms nobody.
        return 1 if background else max(1, allowed // 2)

    def _free(self, now: float, store_now: float, *, is_local: bool) -> int:
        """How many background calls may be started now."""
        if self._held_for(now, store_now) > 0:
            return 0
        allowed = self._allowed(store_now, background=True, is_local=is_local)
        if allowed == 0 and self._fleet is not None and not self._fleet.shares_with(self._id):
            allowed = 1  # It gets a share when it asks for one.
        free = max(
            0, (self._detector.ramp.window if allowed is None else allowed) - self._meter.in_hand[True]
        )
        tokens = self._bucket.tokens(now)
        return free if tokens is None else min(tokens, free)

    def _held_for(self, now: float, store_now: float) -> float:
        """For how many seconds the service asked to get no background call."""
        held_until = None if self._fleet is None else self._fleet.hold_until
        return max(self._held_until - now, 0.0 if held_until is None else held_until - store_now)

    def _enter(self, now: float, *, background: bool) -> RunningCall:
        number = self._meter.number + 1
        call = RunningCall(now, background=background, epoch=self._detector.epoch, in_hand=number)
        self._began.append(call)
        self._meter.began(call, now)
        self._detector.began(call)
        if background:
            self._detector.ramp.began(self._meter.in_hand[True], now)
        return call

    def _restarted(self, call: RunningCall) -> RunningCall:
        """The same call, of no age and not yet at the service."""
        if call.done:
            return call
        now = self._clock()
        self._detector.ended(call, CallOutcome.NEUTRAL, now)
        number = self._meter.number
        again = RunningCall(now, background=call.background, epoch=self._detector.epoch, in_hand=number)
        self._began.append(again)
        return again

    def _look(self, now: float, store_now: float) -> tuple[bool, bool]:
        """Whether the service hangs, and whether that has changed."""
        began = self._began
        while began and (began[0].done or now - began[0].began_at > self._longest):
            call = began.popleft()
            if not call.done:
                self._leave(call, CallOutcome.FAILURE, now)
        hanging = self._detector.is_hanging(now)
        self._step_ramp(now, store_now)
        changed, self._meter.hanging = hanging != self._meter.hanging, hanging
        return hanging, changed

    def _step_ramp(self, now: float, store_now: float) -> None:
        ramp, in_hand = self._detector.ramp, self._meter.in_hand[True]
        if self._allowed(store_now, background=True, is_local=False) is None:
            ramp.step(in_hand, now, is_well=not self._detector.score)
        else:
            ramp.follow(in_hand, now)

    def _leave(self, call: RunningCall, outcome: CallOutcome, now: float) -> None:
        self._meter.left(call, now)
        self._detector.ended(call, outcome, now)
        if call.epoch == self._detector.epoch:
            self._meter.ended(call, outcome)
