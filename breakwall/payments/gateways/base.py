"""The words that all gateways share. Nothing above a gateway reads HTTP or a payment service's own words."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol, Self, runtime_checkable


class Outcome(StrEnum):
    """The result of one attempt to charge. Its properties are the rules; `ledger.attempt_conditions` has them in SQL.

    ``UNKNOWN``: the request may have reached the service, and no trustworthy answer came back. It has none of the
    properties that prove something: it is looked up first, unless its key protects it (`decisions.next_step`).

    `docs/extending.md` lists what a new outcome needs.
    """

    SUCCEEDED = "succeeded"
    DECLINED = "declined"
    NOT_SENT = "not_sent"
    THROTTLED = "throttled"
    FAILED = "failed"
    UNKNOWN = "unknown"

    @classmethod
    def stored(cls, text: str) -> Self:
        """An outcome that was stored. One that only a newer release knows may have charged: it is ``UNKNOWN``."""
        return cls(text) if text in set(cls) else cls.UNKNOWN

    @property
    def is_final(self) -> bool:
        """It finishes the order. Nothing is sent after it."""
        return self in {Outcome.SUCCEEDED, Outcome.DECLINED}

    @property
    def proves_no_charge(self) -> bool:
        """Nothing was charged, and the order may be sent again."""
        return self in {Outcome.NOT_SENT, Outcome.THROTTLED, Outcome.FAILED}

    @property
    def is_resolved(self) -> bool:
        """It is known whether the attempt has charged."""
        return self.is_final or self.proves_no_charge

    @property
    def is_unprocessed(self) -> bool:
        """The service has stored no answer under the key, because it has not processed the request."""
        return self in {Outcome.NOT_SENT, Outcome.THROTTLED}

    @property
    def is_unsent(self) -> bool:
        """No byte of the request has left."""
        return self is Outcome.NOT_SENT


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
    """The result of looking up, or of cancelling, an earlier charge.

    ``ABSENT``: there is no such charge. ``PREPARED``: it exists and was not confirmed, so nothing was charged yet. Both
    are trusted only after `GatewayProfile.absent_after`, because a request may arrive late. ``CANCELLED``: it will
    never charge, which is trusted at once. ``UNAVAILABLE``: no usable answer came back.
    """

    SUCCEEDED = "succeeded"
    DECLINED = "declined"
    PROCESSING = "processing"
    ABSENT = "absent"
    PREPARED = "prepared"
    CANCELLED = "cancelled"
    UNAVAILABLE = "unavailable"

    @property
    def outcome(self) -> Outcome:
        """The outcome that it proves for the attempt that was looked up."""
        if self is LookupResult.SUCCEEDED:
            return Outcome.SUCCEEDED
        return Outcome.DECLINED if self is LookupResult.DECLINED else Outcome.UNKNOWN


@dataclass(frozen=True, slots=True)
class ChargeRequest:
    """One charge.

    Attributes:
        amount: an integer in the currency's minor units.
        currency: an ISO 4217 code in capitals.
        idempotency_key: the derived key that is sent, not the caller's own.
        reference: the caller's own key, for people. None for an order from before references were sent: its body
            must not change, because services refuse a known key with another body.
        payment_method, description, metadata: as in `orders.Order`: for the service alone, so never log them.
        prepared: the service's own id of the charge that was prepared for it: `Gateway.charge` confirms that one.
    """

    order_id: str
    user_id: str
    amount: int
    currency: str
    idempotency_key: str
    reference: str | None = None
    payment_method: str | None = field(default=None, repr=False)
    description: str | None = field(default=None, repr=False)
    metadata: Mapping[str, str] | None = field(default=None, repr=False, hash=False)
    prepared: str | None = None


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
            ``"ReadTimeout"``. For people: no rule about a charge depends on it.
        detail: one sentence for an operator, without secrets.
        retry_after: seconds that the service asked us to wait.
        spends_key: the service may have stored this answer under the key, as a 5xx or a refusal, and may repeat it
            for ever. Once it is proven that nothing was charged, only another key can succeed.
        replayed: the service says that it repeats the answer which it stored under this key, as Stripe does by
            ``Idempotent-Replayed: true``. So every request with this key got this answer, as long as the key has been
            known.
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
    replayed: bool = False
    details: ChargeDetails = ChargeDetails()
    contradiction: str | None = None


@dataclass(frozen=True, slots=True)
class LookupAnswer:
    """The result of one look-up. The fields that `ChargeAnswer` has too are the same.

    `charge_lookup` tests a look-up with a known charge. Then three codes of an ``UNAVAILABLE`` answer matter:
    ``http_404`` counts as not found; ``other_status`` and ``unreadable`` show that the service knows the charge.
    """

    result: LookupResult
    health: Health
    charge_id: str | None = None
    code: str | None = None
    detail: str = ""
    retry_after: float | None = None
    advice: Advice = Advice.RETRY
    details: ChargeDetails = ChargeDetails()
    contradiction: str | None = None

    @property
    def outcome(self) -> Outcome:
        return self.result.outcome


@dataclass(frozen=True, slots=True)
class Prepared:
    """A charge that the service has created and that charges nothing before it is confirmed.

    Attributes:
        id: the service's own id of it, 1 to 255 characters.
    """

    id: str


@dataclass(frozen=True, slots=True)
class GatewayProfile:
    """What the payment service promises. It decides when an order may be sent again.

    Attributes:
        deduplicates: the same key never charges twice.
        key_life: seconds from its first use for which a key is remembered.
        looks_up: a charge can be looked up by its key.
        absent_after: seconds from an attempt's end after which the answer "no such charge" is trusted.
        prepares: a charge is created first and charges only when it is confirmed; the gateway is a `PreparingGateway`.
        cancels: a charge can be cancelled, which proves that it will never charge; the gateway is a
            `CancellingGateway`.
    """

    deduplicates: bool
    key_life: float
    looks_up: bool
    absent_after: float
    prepares: bool = False
    cancels: bool = False

    @property
    def finds_charges(self) -> bool:
        """Whether an attempt that may have charged can be looked up: by its key, or by its prepared charge's id."""
        return self.looks_up or self.prepares


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


@runtime_checkable
class PreparingGateway(Gateway, Protocol):
    """A gateway whose charges are created first, and confirmed when their id is committed here.

    So a charge can always be found again: by its id. A request that got no answer before that has charged nothing.
    `charge` gets a request with ``prepared``, and confirms that charge. However often it is confirmed, it charges once.
    """

    def prepare(self, request: ChargeRequest, *, deadline: float) -> Prepared | ChargeAnswer:
        """Create the charge without confirming it, within the same bound as `charge`.

        The same key may give the same charge again, or another one. An answer instead says why there is none; it may be
        `Outcome.DECLINED`, and no other outcome is believed: nothing was charged.
        """
        ...

    def look_up_prepared(self, prepared: str, *, deadline: float) -> LookupAnswer:
        """Look up a charge by its id, within the same bound as `charge`."""
        ...


@runtime_checkable
class CancellingGateway(Gateway, Protocol):
    """A gateway that can make sure that a charge never happens."""

    def cancel(self, request: ChargeRequest, *, deadline: float) -> LookupAnswer:
        """Cancel the charge of a request, by ``prepared`` if it has one, else by its key; within the bound of `charge`.

        `LookupResult.CANCELLED` proves that no request under this key or id, also a late one, will ever charge. If the
        charge has succeeded or was declined, the answer says that.
        """
        ...


@runtime_checkable
class AccessCheckingGateway(Gateway, Protocol):
    """A gateway that can test its address and credentials without charging. Optional: only `doctor` asks."""

    def check_access(self, *, deadline: float) -> LookupAnswer:
        """Whether the service answers and accepts our credentials, within the same bound as `charge`.

        `LookupResult.ABSENT`: it does. Any other answer is shown as a problem, with its ``code`` and ``detail``.
        """
        ...
