"""What a gateway answers, in words that every gateway shares.

A gateway turns its service's own codes into these; nothing above it looks at an HTTP status.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class Outcome(StrEnum):
    """What one attempt to charge came to.

    Only ``NOT_SENT``, ``FAILED`` and ``THROTTLED`` prove that nothing was charged. ``UNKNOWN`` proves
    nothing either way: the request may have reached the service and no trustworthy answer came back.
    """

    SUCCEEDED = "succeeded"
    DECLINED = "declined"
    NOT_SENT = "not_sent"
    THROTTLED = "throttled"
    FAILED = "failed"
    UNKNOWN = "unknown"

    @property
    def proves_no_charge(self) -> bool:
        return self in {Outcome.NOT_SENT, Outcome.FAILED, Outcome.THROTTLED}


class Health(StrEnum):
    """What an answer says about the service's health, for the circuit breaker.

    A decline is ``SUCCESS``: the service answered. Bad credentials, a wrong address, or our own full
    connection pool are ``NEUTRAL``: they say nothing about the service. ``THROTTLED``: it asks us to slow down;
    that is no failure, but where it says for how long, the whole fleet heeds it.
    """

    SUCCESS = "success"
    FAILURE = "failure"
    NEUTRAL = "neutral"
    THROTTLED = "throttled"


class Advice(StrEnum):
    """What the gateway recommends when the outcome does not end the order.

    ``RETRY``: try again after the backoff. ``LOOK_AGAIN``: the same charge is still running over there,
    ask again soon. ``REVIEW``: only a person can tell. ``STOP``: this request will never be accepted as
    it is; it is looked up once more before the order ends. ``RECONFIGURE``: only other settings bring about
    another answer, so an operator must see it; try again after the backoff.
    """

    RETRY = "retry"
    LOOK_AGAIN = "look_again"
    REVIEW = "review"
    STOP = "stop"
    RECONFIGURE = "reconfigure"


class LookupResult(StrEnum):
    """What asking for an earlier charge by its key came to.

    ``ABSENT`` is final only after the profile's settle time; ``UNAVAILABLE`` means that no usable answer
    came back.
    """

    SUCCEEDED = "succeeded"
    DECLINED = "declined"
    PROCESSING = "processing"
    ABSENT = "absent"
    UNAVAILABLE = "unavailable"


@dataclass(frozen=True, slots=True)
class ChargeRequest:
    """One charge.

    Attributes:
        amount: an integer in the currency's minor units.
        currency: an ISO 4217 code in capitals.
        idempotency_key: the key that travels, not the caller's own.
        reference: the caller's own key, for people; None for orders from before it was sent, whose body stays
            as it was, because the same key with another body is another payload.
    """

    order_id: str
    user_id: str
    amount: int
    currency: str
    idempotency_key: str
    reference: str | None = None


@dataclass(frozen=True, slots=True)
class ChargeDetails:
    """What an answer names of the charge that it tells of, as it stands there; None for what it does not name.

    They are compared with the order before the answer is believed.
    """

    order_id: object = None
    amount: object = None
    currency: object = None


@dataclass(frozen=True, slots=True)
class ChargeAnswer:
    """The result of one charge.

    Attributes:
        outcome: what is known about the charge.
        health: what the circuit breaker should learn from it.
        charge_id: the service's own id of the charge, when it succeeded.
        code: the service's code or the error's name, short, without secrets: ``"card_declined"``,
            ``"ReadTimeout"``. For people; no rule depends on it.
        detail: one sentence for an operator, without secrets.
        retry_after: seconds that the service asked us to wait, if it did.
        advice: what to do next when the outcome ends nothing.
        spends_key: the service may have stored this answer under its key, and may give it again for ever: a 5xx,
            a refusal. Once it is proven that nothing was charged, only another key gets past it.
        details: what the answer names of the charge.
        contradiction: what in ``details`` is not the order's, in a sentence; see `payments.proofs`. A gateway
            leaves it None.
    """

    outcome: Outcome
    health: Health
    charge_id: str | None = None
    code: str | None = None
    detail: str = ""
    retry_after: float | None = None
    advice: Advice = Advice.RETRY
    spends_key: bool = False
    details: ChargeDetails = ChargeDetails()
    contradiction: str | None = None


@dataclass(frozen=True, slots=True)
class LookupAnswer:
    """The result of one look-up; the fields are those of `ChargeAnswer`."""

    result: LookupResult
    health: Health
    charge_id: str | None = None
    code: str | None = None
    detail: str = ""
    retry_after: float | None = None
    advice: Advice = Advice.RETRY
    details: ChargeDetails = ChargeDetails()
    contradiction: str | None = None


@dataclass(frozen=True, slots=True)
class GatewayProfile:
    """What a gateway promises; the rules of resending follow from it.

    Attributes:
        deduplicates: the same key again does not charge again.
        key_life: for how many seconds from its first use a key is remembered.
        looks_up: a charge can be asked for by its key.
        absent_after: from how long after an attempt's end "no such charge" is believed.
    """

    deduplicates: bool
    key_life: float
    looks_up: bool
    absent_after: float


class Gateway(Protocol):
    """A payment service. No method raises for anything that the service or the network does."""

    @property
    def profile(self) -> GatewayProfile: ...

    def charge(self, request: ChargeRequest, *, deadline: float) -> ChargeAnswer:
        """Charge once. Returns before ``deadline`` (on `time.monotonic`), whatever the service does.

        Past the deadline on entry nothing is sent (`Outcome.NOT_SENT`)."""
        ...

    def look_up(self, idempotency_key: str, *, deadline: float) -> LookupAnswer:
        """Ask for an earlier charge. Same bound as `charge`."""
        ...

    def close(self) -> None:
        """Close the connections. Safe to call twice."""
        ...
