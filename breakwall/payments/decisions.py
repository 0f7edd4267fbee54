"""Decides, without I/O, what becomes of an order: before it is sent again, after an answer, after a look-up.

The rules follow from two facts: which attempts are unresolved, and what the gateway promises (`GatewayProfile`). The
ledger records what is decided here.
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
from breakwall.payments.retry_policy import RetryPolicy

# Answers with a 5xx to one key after which the key is looked up. Some services store such an answer and replay
# it for as long as the key lives (Stripe does), so no retry would ever succeed. Before the last attempt, one is
# enough.
STORED_ERRORS = 3

# The states in which final outcomes leave an order.
FINAL_STATES = {Outcome.SUCCEEDED: OrderStatus.PAID, Outcome.DECLINED: OrderStatus.DECLINED}


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an order has come, as far as the rules ask.

    Attributes:
        retries: the worker's attempts since a person last retried the order.
        look_ups: look-ups without a usable answer since then.
        key_rotations: how often its key was rotated.
        unresolved: whether an earlier attempt may have charged.
        unresolved_age: seconds since the newest such attempt ended; 0 without one.
        stored_errors: such attempts that the service answered with a 5xx, which it may have stored under their key.
        key_spent: the service may repeat an old answer of any kind under the key of such an attempt.
        key_age: upper bound on the age of the key in use when this claim's call ends, in seconds; 0 before the key
            was first sent.
        cancel_requested: a person asked to cancel it.
        declined: the service has declined one of its attempts, in an answer that came after its claim.
        key_conflict: its key belongs to another payload or another order's charge: a look-up would find that charge.
        suspected: it may have been charged without an attempt that tells of it, see `operator.suspect`.
        refused: the service has refused the request itself since a person last retried the order.
        turned_away: the newest attempt was refused, or met a wrong address or wrong credentials.
        looked_up: since that attempt a look-up was tried, and gave no usable answer.
    """

    retries: int = 0
    look_ups: int = 0
    key_rotations: int = 0
    unresolved: bool = False
    unresolved_age: float = 0.0
    stored_errors: int = 0
    key_spent: bool = False
    key_age: float = 0.0
    cancel_requested: bool = False
    declined: bool = False
    key_conflict: bool = False
    suspected: bool = False
    refused: bool = False
    turned_away: bool = False
    looked_up: bool = False

    def proven_absent(self) -> Progress:
        """The same after a look-up has proven that nothing was charged."""
        return replace(
            self, unresolved=False, unresolved_age=0.0, stored_errors=0, key_spent=False, suspected=False
        )


class Step(Enum):
    """What a worker that holds the claim does next."""

    SEND = auto()
    LOOK_UP = auto()
    DECLINE = auto()
    CANCEL = auto()
    REFUSE = auto()
    GIVE_UP = auto()
    REVIEW = auto()


def next_step(progress: Progress, profile: GatewayProfile, policy: RetryPolicy) -> Step:
    """Choose what may safely be done with a claimed order.

    An unresolved attempt is looked up before anything is sent, unless the gateway promises that the same
    key does not charge again and still remembers it. Nothing else lets an unresolved order go on.
    """
    if progress.key_conflict:
        return Step.REVIEW
    if not progress.unresolved:
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
    return Step.GIVE_UP if progress.retries >= policy.max_attempts else Step.SEND


def _may_send_again(progress: Progress, profile: GatewayProfile, policy: RetryPolicy) -> bool:
    is_over = progress.retries >= policy.max_attempts or progress.cancel_requested or progress.declined
    if is_over or progress.suspected or progress.refused:
        return False
    # The service may mean "done already", or the address is wrong. If a look-up can tell, it comes first.
    if progress.turned_away and profile.looks_up and not progress.looked_up:
        return False
    return _key_protects(progress, profile, policy)


def _key_protects(progress: Progress, profile: GatewayProfile, policy: RetryPolicy) -> bool:
    last_one = progress.retries + 1 >= policy.max_attempts
    if profile.looks_up and progress.stored_errors >= (1 if last_one else STORED_ERRORS):
        return False
    # A request may arrive late, by the settle time at most. The key must still be known then.
    return profile.deduplicates and progress.key_age + profile.absent_after < profile.key_life


@dataclass(frozen=True, slots=True)
class Decision:
    """The state that an order gets.

    Attributes:
        delay: seconds until a queued order is due again.
        uncharged: it is proven that no attempt has charged, so a cancellation requested meanwhile takes effect.
    """

    status: OrderStatus
    delay: float = 0.0
    uncharged: bool = False


def without_look_up(answer: ChargeAnswer, profile: GatewayProfile) -> ChargeAnswer:
    """The answer; a refusal is accepted as proof that nothing was charged if the service has no look-up."""
    refusal = answer.outcome is Outcome.UNKNOWN and answer.advice is Advice.STOP
    return replace(answer, outcome=Outcome.FAILED) if refusal and not profile.looks_up else answer


def after_attempt(
    answer: ChargeAnswer, progress: Progress, profile: GatewayProfile, policy: RetryPolicy, jitter: float
) -> Decision:
    """Decide by the answer to a charge; ``progress`` counts the attempt that was just made.

    ``progress.unresolved`` speaks of the attempts *before* this one: a proof that this one charged nothing
    does not clear those.
    """
    if answer.outcome.is_final:
        return Decision(FINAL_STATES[answer.outcome])
    unresolved = progress.unresolved or not answer.outcome.proves_no_charge
    if answer.advice is Advice.REVIEW:
        return Decision(OrderStatus.REVIEW)
    if not unresolved:
        if progress.cancel_requested:
            return Decision(OrderStatus.CANCELLED)
        if answer.advice is Advice.STOP or progress.retries >= policy.max_attempts:
            return Decision(OrderStatus.DEAD, uncharged=True)
    elif answer.advice is Advice.STOP:
        # It may mean "done already": a look-up tells, now and not after a backoff.
        return Decision(OrderStatus.QUEUED if profile.looks_up else OrderStatus.REVIEW)
    tries = 0 if answer.advice is Advice.LOOK_AGAIN else progress.retries
    delay = policy.delay(tries, answer.retry_after, jitter)
    return Decision(OrderStatus.QUEUED, delay, uncharged=not unresolved)


def after_look_up(
    answer: LookupAnswer, progress: Progress, profile: GatewayProfile, policy: RetryPolicy, jitter: float
) -> Decision | None:
    """Decide by a look-up. None: it is proven that nothing was charged, so the order may go on.

    "No such charge" is trusted only once the settle time has passed.
    """
    if answer.contradiction:
        return Decision(OrderStatus.REVIEW)
    if answer.outcome.is_final:
        return Decision(FINAL_STATES[answer.outcome])
    if answer.result is LookupResult.ABSENT:
        if progress.unresolved_age >= profile.absent_after:
            return None
        remaining = profile.absent_after - progress.unresolved_age
        return Decision(OrderStatus.QUEUED, remaining + jitter * policy.base)
    # The charge is still running, or there was no usable answer: again after a backoff, but not for ever.
    if progress.look_ups + 1 >= policy.max_attempts:
        return Decision(OrderStatus.REVIEW)
    return Decision(OrderStatus.QUEUED, policy.delay(progress.look_ups, answer.retry_after, jitter))
