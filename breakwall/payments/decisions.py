"""Decides, without I/O, what happens to an order: before it is sent again, after an answer, after a look-up.

The rules read how far the order has come (`Progress`) and what the gateway promises (`GatewayProfile`). The ledger
records the decisions.
"""

import re
from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import Self

from breakwall.payments.gateways.base import (
    Advice,
    ChargeAnswer,
    GatewayProfile,
    LookupAnswer,
    LookupResult,
    Outcome,
)
from breakwall.payments.orders import EndReason, OrderStatus
from breakwall.payments.retry_policy import RetryPolicy

# The number of 5xx answers to one key after which the charge is looked up. Some services store such an answer and
# replay it for as long as the key lives (Stripe does), so no retry would ever succeed. If only one attempt is left,
# the charge is looked up after the first such answer.
STORED_ERRORS = 3

# The state of an order after each final outcome.
FINAL_STATES = {Outcome.SUCCEEDED: OrderStatus.PAID, Outcome.DECLINED: OrderStatus.DECLINED}


@dataclass(frozen=True, slots=True)
class Progress:
    """The facts of an order that the rules read."""

    retries: int = 0  # The worker's attempts since a person last retried the order.
    lookups: int = 0  # Look-ups without a usable answer since then.
    key_rotations: int = 0
    unresolved: bool = False  # An earlier attempt may have charged.
    unresolved_age: float = 0.0  # Seconds since the newest unresolved attempt ended; 0 without one.
    # Unresolved attempts with a 5xx, which the service may have stored under their key.
    stored_errors: int = 0
    # The service may replay an old answer of any kind under an unresolved attempt's key.
    key_spent: bool = False
    # The greatest age, in seconds, that the key in use can have when this claim's call ends; 0 before its first use.
    key_age: float = 0.0
    cancel_requested: bool = False
    declined: bool = False  # The service has declined one of its attempts, in an answer that came late.
    key_conflict: bool = False  # A look-up by its key would find another payload's or another order's charge.
    # It may have been charged without an attempt that shows it, see `operator.suspect`.
    suspected: bool = False
    refused: bool = False  # The service has refused the request itself since a person last retried the order.
    # Each attempt that may have charged was one to confirm the same prepared charge, which can be looked up by its id.
    prepared: bool = False
    expired: bool = False  # Its last moment has passed: nothing is sent any more.
    still_running: bool = False  # The newest attempt is still being charged, says the service.
    turned_away: bool = False  # The newest attempt was refused, or met a wrong address or wrong credentials.
    looked_up: bool = False  # A look-up after the newest attempt gave no usable answer.

    def proven_absent(self) -> Self:
        """The same after a look-up has proven that nothing was charged."""
        return replace(
            self,
            unresolved=False,
            unresolved_age=0.0,
            stored_errors=0,
            key_spent=False,
            suspected=False,
            prepared=False,
        )

    @property
    def is_unwanted(self) -> bool:
        """Nobody wants it to be charged any more."""
        return self.cancel_requested or self.expired


class Step(Enum):
    """What a worker that holds the claim does next."""

    SEND = auto()
    LOOK_UP = auto()
    CANCEL_CHARGE = auto()  # At the payment service: a success proves that it will never charge.
    DECLINE = auto()
    CANCEL = auto()
    EXPIRE = auto()
    REFUSE = auto()
    GIVE_UP = auto()
    REVIEW = auto()


def next_step(progress: Progress, profile: GatewayProfile, policy: RetryPolicy) -> Step:
    """Choose what may safely be done with a claimed order.

    An unresolved attempt is looked up before anything is sent, unless the gateway promises that the same
    key does not charge twice, and still remembers it. If no look-up decides, or nobody wants the charge any more, it is
    cancelled at the payment service, where that is possible.
    """
    if progress.key_conflict:
        return Step.REVIEW
    if not progress.unresolved:
        return _next_after_proof(progress, policy)
    if _may_send_again(progress, profile, policy):
        return Step.SEND
    return _resolve(progress, profile, policy)


def _resolve(progress: Progress, profile: GatewayProfile, policy: RetryPolicy) -> Step:
    """How to find out whether an unresolved attempt has charged: look it up, then cancel it at the payment service.

    If nobody wants the charge any more, it is cancelled first, and the two take turns.
    """
    ways = _ways(progress, profile)
    if progress.lookups >= len(ways) * policy.max_attempts:
        return Step.REVIEW
    if progress.is_unwanted:
        return ways[(progress.lookups + 1) % len(ways)]
    return ways[progress.lookups // policy.max_attempts]


def _can_be_looked_up(progress: Progress, profile: GatewayProfile) -> bool:
    return profile.looks_up or (profile.prepares and progress.prepared)


def _ways(progress: Progress, profile: GatewayProfile) -> list[Step]:
    """The ways to find out whether an unresolved attempt has charged.

    A suspected order may have been charged under a key or an id that is lost: to cancel what is known proves nothing. A
    charge that is wanted and still running is not cancelled.
    """
    cancels = (
        profile.cancels and not progress.suspected and (progress.is_unwanted or not progress.still_running)
    )
    return [Step.LOOK_UP] * _can_be_looked_up(progress, profile) + [Step.CANCEL_CHARGE] * cancels


def _next_after_proof(progress: Progress, policy: RetryPolicy) -> Step:
    if progress.declined:
        return Step.DECLINE
    if progress.cancel_requested:
        return Step.CANCEL
    if progress.expired:
        return Step.EXPIRE
    if progress.refused:
        return Step.REFUSE
    return Step.GIVE_UP if progress.retries >= policy.max_attempts else Step.SEND


def _may_send_again(progress: Progress, profile: GatewayProfile, policy: RetryPolicy) -> bool:
    is_over = progress.retries >= policy.max_attempts or progress.is_unwanted or progress.declined
    if is_over or progress.suspected or progress.refused:
        return False
    # The answer to the same key may be stored: only a look-up by the charge's id learns how it ends.
    if progress.still_running and progress.prepared and profile.prepares:
        return False
    # The refusal may mean "done already", or the address is wrong. If there is a look-up, it comes first.
    if progress.turned_away and _can_be_looked_up(progress, profile) and not progress.looked_up:
        return False
    return _key_protects(progress, profile, policy)


def _key_protects(progress: Progress, profile: GatewayProfile, policy: RetryPolicy) -> bool:
    last_one = progress.retries + 1 >= policy.max_attempts
    can_be_looked_up = _can_be_looked_up(progress, profile)
    if can_be_looked_up and progress.stored_errors >= (1 if last_one else STORED_ERRORS):
        return False
    # A request may arrive late, by the settle time at most. The key must still be known then.
    return profile.deduplicates and progress.key_age + profile.absent_after < profile.key_life


@dataclass(frozen=True, slots=True)
class Decision:
    """The state that an order gets."""

    status: OrderStatus
    delay: float = 0.0  # Seconds until a queued order is due again.
    # No attempt has charged. If a cancellation was requested meanwhile, the order is cancelled instead.
    uncharged: bool = False
    # Only another key can succeed, and it is proven that nothing was charged under this one.
    rotates_key: bool = False
    reason: str | None = None  # If the order ends: why, see `orders.EndReason`.


# A decline code that is stored as the reason: no sentence, and no number that may be a card's.
_PLAIN_CODE = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}|[0-9]{1,4}")


def decline_reason(code: str | None) -> str:
    """Why an order is declined: the service's code for it if it is short and plain."""
    return code if code and _PLAIN_CODE.fullmatch(code) else EndReason.DECLINED


def _final(answer: ChargeAnswer | LookupAnswer) -> Decision:
    status = FINAL_STATES[answer.outcome]
    return Decision(status, reason=decline_reason(answer.code) if status is OrderStatus.DECLINED else None)


def without_look_up(answer: ChargeAnswer, profile: GatewayProfile) -> ChargeAnswer:
    """The answer. If the service has no look-up, a refusal is trusted as proof that nothing was charged."""
    refusal = answer.outcome is Outcome.UNKNOWN and answer.advice is Advice.STOP
    return replace(answer, outcome=Outcome.FAILED) if refusal and not profile.finds_charges else answer


def after_attempt(
    answer: ChargeAnswer, progress: Progress, profile: GatewayProfile, policy: RetryPolicy, jitter: float
) -> Decision:
    """Decide by the answer to a charge. ``progress.retries`` includes this attempt if a worker made it.

    ``progress.unresolved`` is about the attempts *before* this one. A proof that this one charged nothing does not
    resolve those.
    """
    if answer.outcome.is_final:
        return _final(answer)
    unresolved = progress.unresolved or not answer.outcome.proves_no_charge
    is_spent = profile.prepares and answer.spends_key and not unresolved
    if answer.advice is Advice.REVIEW:
        return Decision(OrderStatus.REVIEW, reason=EndReason.KEY_CONFLICT)
    if not unresolved:
        if progress.cancel_requested:
            return Decision(OrderStatus.CANCELLED, reason=EndReason.REQUESTED)
        if answer.advice is Advice.STOP or progress.retries >= policy.max_attempts:
            reason = EndReason.REFUSED if answer.advice is Advice.STOP else EndReason.EXHAUSTED
            return Decision(OrderStatus.DEAD, uncharged=True, rotates_key=is_spent, reason=reason)
    elif answer.advice is Advice.STOP:
        # It may mean "done already": it is looked up now, without a backoff.
        status = OrderStatus.QUEUED if profile.finds_charges else OrderStatus.REVIEW
        return Decision(status, reason=EndReason.UNKNOWN if status.is_final else None)
    tries = 0 if answer.advice is Advice.LOOK_AGAIN else progress.retries
    delay = policy.delay(tries, answer.retry_after, jitter)
    return Decision(OrderStatus.QUEUED, delay, uncharged=not unresolved, rotates_key=is_spent)


def after_look_up(
    answer: LookupAnswer, progress: Progress, profile: GatewayProfile, policy: RetryPolicy, jitter: float
) -> Decision | None:
    """Decide by a look-up or a cancel. None: it is proven that nothing was charged, so the order continues.

    "No such charge" and "not confirmed" are trusted only once the settle time has passed.
    """
    if answer.contradiction:
        return Decision(OrderStatus.REVIEW, reason=EndReason.WRONG_CHARGE)
    if answer.outcome.is_final:
        return _final(answer)
    if answer.result is LookupResult.CANCELLED:
        return None
    if answer.result in {LookupResult.ABSENT, LookupResult.PREPARED}:
        if progress.unresolved_age >= profile.absent_after:
            return None
        remaining = profile.absent_after - progress.unresolved_age
        return Decision(OrderStatus.QUEUED, remaining + jitter * policy.base)
    # The charge is still running, or there was no usable answer: again after a backoff, but not for ever.
    if progress.lookups + 1 >= len(_ways(progress, profile)) * policy.max_attempts:
        return Decision(OrderStatus.REVIEW, reason=EndReason.UNKNOWN)
    return Decision(OrderStatus.QUEUED, policy.delay(progress.lookups, answer.retry_after, jitter))
