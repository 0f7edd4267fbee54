"""What to do with an order, decided without I/O: before it is sent again, and after an answer.

The rules follow from two facts: which attempts are still unsettled, and what the gateway promises
(`GatewayProfile`). The ledger writes down what is decided here.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum, auto

from breakwall.payments.gateways.base import (
    Advice,
    ChargeAnswer,
    GatewayProfile,
    LookupAnswer,
    LookupResult,
    Outcome,
)
from breakwall.payments.orders import OrderStatus

STORED_ERRORS = 3
"""Answers with a 5xx to one key after which it is looked up: some services store such an answer and replay it
for as long as the key lives (Stripe does), and no retry would ever end. One is enough before the last one."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Exponential backoff with full jitter. Times are seconds.

    Full jitter (a uniform draw from zero to the bound) spreads a crowd better than a fixed delay with
    some noise; see Marc Brooker, "Exponential Backoff and Jitter", AWS Architecture Blog, 2015.
    """

    base: float = 1.0
    cap: float = 600.0
    max_attempts: int = 30

    def backoff(self, tries: int, draw: float) -> float:
        """The delay after ``tries`` tries; ``draw`` is a uniform random number from 0 to 1."""
        # Beyond 2**63 the bound is the cap for any settings that are allowed.
        return draw * min(self.cap, self.base * 2.0 ** min(tries, 63))

    def delay(self, tries: int, retry_after: float | None, draw: float) -> float:
        """The backoff, but never earlier than the service asked for; jitter is added to what it asked."""
        backoff = self.backoff(tries, draw)
        return backoff if retry_after is None else max(backoff, retry_after + draw * self.base)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an order has come, as far as the rules ask.

    Attributes:
        retries: the worker's attempts since the order was last sent round.
        look_ups: look-ups that gave no usable answer since then.
        renewals: how often its key was renewed.
        unsettled: whether an earlier attempt may have charged.
        unsettled_age: seconds since the newest such attempt ended; 0 without one.
        stored_errors: such attempts that the service answered with a 5xx, which it may have stored under their key.
        key_spent: such an attempt has an answer that the service may have stored, of whatever kind.
        key_age: how many seconds the key in use will have been known, at most, when a call ends that begins
            under this claim; 0 before it was first sent.
        cancel_requested: a person asked to cancel it.
        declined: the service has declined one of its attempts, in an answer that came after its claim.
        disputed: its key leads to another payload or to another order's charge: a look-up would find that.
        suspected: it may have been charged without an attempt that tells of it, see `suspicion`.
        refused: the service has refused the request itself since a person last sent the order round.
        turned_away: the newest attempt was refused, or met a wrong address or wrong credentials.
        looked_up: since that attempt a look-up was tried, and gave no usable answer.
    """

    retries: int = 0
    look_ups: int = 0
    renewals: int = 0
    unsettled: bool = False
    unsettled_age: float = 0.0
    stored_errors: int = 0
    key_spent: bool = False
    key_age: float = 0.0
    cancel_requested: bool = False
    declined: bool = False
    disputed: bool = False
    suspected: bool = False
    refused: bool = False
    turned_away: bool = False
    looked_up: bool = False

    def proven_absent(self) -> Progress:
        """The same after a look-up has proven that nothing was charged."""
        return replace(
            self, unsettled=False, unsettled_age=0.0, stored_errors=0, key_spent=False, suspected=False
        )


class Step(Enum):
    """What a worker that holds the claim does next."""

    SEND = auto()
    LOOK_UP = auto()
    DECLINE = auto()
    CANCEL = auto()
    REFUSE = auto()
    BURY = auto()
    REVIEW = auto()


def next_step(progress: Progress, profile: GatewayProfile, policy: RetryPolicy) -> Step:
    """Choose what may safely be done with a claimed order.

    An unsettled attempt is looked up before anything is sent, unless the gateway promises that the same
    key does not charge again and still remembers it. Nothing else lets an unsettled order go on.
    """
    if progress.disputed:
        return Step.REVIEW
    if not progress.unsettled:
        return _next_after_proof(progress, policy)
    if _may_send_again(progress, profile, policy):
        return Step.SEND
    if profile.looks_up and progress.look_ups < policy.max_attempts:
        return Step.LOOK_UP
    return Step.REVIEW


def _next_after_proof(progress: Progress, policy: RetryPolicy) -> Step:
    if progress.declined:
        return Step.DECLINE
    if progress.cancel_requested:
        return Step.CANCEL
    if progress.refused:
        return Step.REFUSE
    return Step.BURY if progress.retries >= policy.max_attempts else Step.SEND


def _may_send_again(progress: Progress, profile: GatewayProfile, policy: RetryPolicy) -> bool:
    is_over = progress.retries >= policy.max_attempts or progress.cancel_requested or progress.declined
    if is_over or progress.suspected or progress.refused:
        return False
    # "Done already", or a wrong address: asking is better than sending once more, where it is of use.
    if progress.turned_away and profile.looks_up and not progress.looked_up:
        return False
    return _key_protects(progress, profile, policy)


def _key_protects(progress: Progress, profile: GatewayProfile, policy: RetryPolicy) -> bool:
    last_one = progress.retries + 1 >= policy.max_attempts
    if profile.looks_up and progress.stored_errors >= (1 if last_one else STORED_ERRORS):
        return False
    # A request may come in late, by the settle time at most: also then the key must still be known.
    return profile.deduplicates and progress.key_age + profile.absent_after < profile.key_life


@dataclass(frozen=True, slots=True)
class Verdict:
    """The state that an answer leads to.

    Attributes:
        delay: seconds until a queued order is due again.
        uncharged: it is proven that no attempt has charged, so a cancellation that was asked for meanwhile holds.
    """

    status: OrderStatus
    delay: float = 0.0
    uncharged: bool = False


def without_look_up(answer: ChargeAnswer, profile: GatewayProfile) -> ChargeAnswer:
    """The answer; where nothing can be looked up, a refusal as what it says: nothing was charged."""
    refusal = answer.outcome is Outcome.UNKNOWN and answer.advice is Advice.STOP
    return replace(answer, outcome=Outcome.FAILED) if refusal and not profile.looks_up else answer


def after_attempt(
    answer: ChargeAnswer, progress: Progress, profile: GatewayProfile, policy: RetryPolicy, draw: float
) -> Verdict:
    """Judge the answer to a charge; ``progress`` counts the attempt that was just made.

    ``progress.unsettled`` speaks of the attempts *before* this one: a proof that this one charged nothing
    proves nothing about those.
    """
    if answer.outcome is Outcome.SUCCEEDED:
        return Verdict(OrderStatus.PAID)
    if answer.outcome is Outcome.DECLINED:
        return Verdict(OrderStatus.DECLINED)
    unsettled = progress.unsettled or not answer.outcome.proves_no_charge
    if answer.advice is Advice.REVIEW:
        return Verdict(OrderStatus.REVIEW)
    if not unsettled:
        if progress.cancel_requested:
            return Verdict(OrderStatus.CANCELLED)
        if answer.advice is Advice.STOP or progress.retries >= policy.max_attempts:
            return Verdict(OrderStatus.DEAD, uncharged=True)
    elif answer.advice is Advice.STOP:
        # It may mean "done already": a look-up tells, now and not after a backoff.
        return Verdict(OrderStatus.QUEUED if profile.looks_up else OrderStatus.REVIEW)
    tries = 0 if answer.advice is Advice.LOOK_AGAIN else progress.retries
    return Verdict(OrderStatus.QUEUED, policy.delay(tries, answer.retry_after, draw), uncharged=not unsettled)


class Found(Enum):
    """What a look-up means: the order is settled, the charge is proven absent, it is too early to say, or
    no usable answer came back."""

    SETTLED = auto()
    ABSENT = auto()
    TOO_EARLY = auto()
    UNAVAILABLE = auto()


@dataclass(frozen=True, slots=True)
class Sighting:
    """A look-up, judged. ``verdict`` is None when the charge is proven absent: the order may go on."""

    found: Found
    verdict: Verdict | None = None


def after_look_up(
    answer: LookupAnswer, progress: Progress, profile: GatewayProfile, policy: RetryPolicy, draw: float
) -> Sighting:
    """Judge a look-up. "No such charge" is believed only once the settle time has passed."""
    if answer.contradiction:
        return Sighting(Found.SETTLED, Verdict(OrderStatus.REVIEW))
    match answer.result:
        case LookupResult.SUCCEEDED:
            return Sighting(Found.SETTLED, Verdict(OrderStatus.PAID))
        case LookupResult.DECLINED:
            return Sighting(Found.SETTLED, Verdict(OrderStatus.DECLINED))
        case LookupResult.ABSENT if progress.unsettled_age >= profile.absent_after:
            return Sighting(Found.ABSENT)
        case LookupResult.ABSENT:
            remaining = profile.absent_after - progress.unsettled_age
            return Sighting(Found.TOO_EARLY, Verdict(OrderStatus.QUEUED, remaining + draw * policy.base))
    # Still running over there, or no usable answer: again after a backoff, but not for ever.
    if progress.look_ups + 1 >= policy.max_attempts:
        return Sighting(Found.UNAVAILABLE, Verdict(OrderStatus.REVIEW))
    delay = policy.delay(progress.look_ups, answer.retry_after, draw)
    return Sighting(Found.UNAVAILABLE, Verdict(OrderStatus.QUEUED, delay))


LONGEST_PUT_OFF = 60.0
"""Seconds for which the circuit puts an order off at once. It may close much sooner than it says: an override for a day
is lifted after an hour. Being due early costs nothing, for nothing that is due is published while it refuses."""


def put_off(retry_after: float, draw: float, spread: float = 0.1) -> float:
    """Until when an order waits that the circuit refused, so that a crowd does not come back at one instant.

    Args:
        retry_after: seconds, what the circuit says.
        draw: a uniform random number from 0 to 1.
        spread: by how much it may be longer.
    """
    return min(retry_after, LONGEST_PUT_OFF) * (1 + spread * draw)
