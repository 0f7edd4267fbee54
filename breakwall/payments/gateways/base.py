"""The words that all gateways share. Nothing above a gateway reads an HTTP status or a service's own code."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class Outcome(StrEnum):
    """The result of one attempt to charge.

    Only ``NOT_SENT``, ``FAILED`` and ``THROTTLED`` prove that nothing was charged. ``UNKNOWN`` proves
    nothing: the request may have reached the service, and no trustworthy answer came back.

    A new outcome also needs: each gateway that can give it (for HTTP `charge_answers`; a 402 is a decline there); what
    follows from it (`payments.decisions`); whether it proves something (`proves_no_charge`, and the conditions in
    `ledger.attempt_conditions`, `ledger.attempt_outcomes`, `ledger.claim` and `operator.key_rotation`); and a
    migration, whose CHECK of ``attempts.outcome`` permits it. The version before must be able to read its rows.
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
    """What an answer tells the circuit breaker about the service.

    A decline is a ``SUCCESS``: the service answered. Bad credentials, a wrong address and our own full
    connection pool are ``NEUTRAL``: they say nothing about the service. ``THROTTLED`` is not a failure; if the
    service says how long to wait, the whole fleet waits.
    """

    SUCCESS = "success"
    FAILURE = "failure"
    NEUTRAL = "neutral"
    THROTTLED = "throttled"


class Advice(StrEnum):
    """What to do next if the outcome does not finish the order.

    ``RETRY``: try again after the backoff. ``LOOK_AGAIN``: the service is still charging; ask again soon.
    ``REVIEW``: a person must decide. ``STOP``: the service will never accept this request; look it up once more,
    then finish the order. ``RECONFIGURE``: only other settings can change the answer, so an operator must see it; try
    again after the backoff.
    """

    RETRY = "retry"
    LOOK_AGAIN = "look_again"
    REVIEW = "review"
    STOP = "stop"
    RECONFIGURE = "reconfigure"


class LookupResult(StrEnum):
    """The result of looking up an earlier charge by its key.

    ``ABSENT`` is trusted only after `GatewayProfile.absent_after`. ``UNAVAILABLE``: no usable answer came back.
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
        idempotency_key: the derived key that is sent, not the caller's own.
        reference: the caller's own key, for people. None for an order from before references were sent: its body
            must not change, because services refuse a known key with another body.
    """

    order_id: str
    user_id: str
    amount: int
    currency: str
    idempotency_key: str
    reference: str | None = None


@dataclass(frozen=True, slots=True)
class ChargeDetails:
    """The fields of the charge that an answer names, unchecked; None for a field that it does not name.

    They are compared with the order before the answer is trusted.
    """

    order_id: object = None
    amount: object = None
    currency: object = None


@dataclass(frozen=True, slots=True)
class ChargeAnswer:
    """The result of one charge.

    Attributes:
        charge_id: the service's own id of the charge, if it succeeded.
        code: the service's code or the error's name, short, without secrets: ``"card_declined"``,
            ``"ReadTimeout"``. For people; no rule depends on it.
        detail: one sentence for an operator, without secrets.
        retry_after: seconds that the service asked us to wait.
        spends_key: the service may have stored this answer under the key, as a 5xx or a refusal, and may repeat it
            for ever. Once it is proven that nothing was charged, only another key can succeed.
        contradiction: a sentence that says which of ``details`` differ from the order. Only
            `payments.verification` sets it; a gateway leaves it None.
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
    """What the payment service promises. It decides when an order may be sent again.

    Attributes:
        deduplicates: the same key never charges twice.
        key_life: seconds from its first use for which a key is remembered.
        looks_up: a charge can be looked up by its key.
        absent_after: seconds from an attempt's end after which the answer "no such charge" is trusted.
    """

    deduplicates: bool
    key_life: float
    looks_up: bool
    absent_after: float


class Gateway(Protocol):
    """A payment service. No method raises because of what the service or the network does."""

    @property
    def profile(self) -> GatewayProfile: ...

    def charge(self, request: ChargeRequest, *, deadline: float) -> ChargeAnswer:
        """Charge once. Returns before ``deadline`` (on `time.monotonic`), whatever the service does.

        If the deadline has passed on entry, nothing is sent: `Outcome.NOT_SENT`."""
        ...

    def look_up(self, idempotency_key: str, *, deadline: float) -> LookupAnswer:
        """Look up an earlier charge, within the same bound as `charge`."""
        ...

    def close(self) -> None:
        """Close the connections. Safe to call twice."""
        ...
