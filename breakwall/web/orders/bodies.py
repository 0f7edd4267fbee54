"""The bodies of requests about orders. `Order` checks more: what a currency allows, and that no text holds a card."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SkipValidation, WithJsonSchema

from breakwall.payments.orders import Order, expiry_in
from breakwall.producers.producer import BATCH
from breakwall.texts import MAX_LENGTH
from breakwall.web.action_body import ActionBody

_Text = Annotated[str, Field(min_length=1, max_length=MAX_LENGTH)]

_EXAMPLE: dict[str, Any] = {"user_id": "u1", "amount": 10_000, "currency": "KRW", "payment_method": "pm_1N"}
_MOST_MINOR_UNITS = 2**63 - 1  # What a column holds. A currency's own limit is lower.

# `Order` checks it, and says what would be right.
_Moment = Annotated[
    Any, WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "number"}, {"type": "null"}]})
]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class NewOrder(_Body):
    """An order to place. Its idempotency key is in the header."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    user_id: Annotated[_Text, Field(description="Who pays.")]
    amount: int = Field(
        ge=1,
        le=_MOST_MINOR_UNITS,
        description="Minor units of the currency: ₩10,000 is 10000, $10.00 is 1000.",
    )
    currency: str = Field(pattern="^[A-Z]{3}$", description="An ISO 4217 code in capitals.")
    payment_method: _Text | None = Field(
        None, description="The payment service's token for what is charged, never a card number."
    )
    description: str | None = Field(
        None, min_length=1, max_length=500, description="A text for the payment service."
    )
    metadata: dict[str, str] | None = Field(
        None, max_length=20, description="Texts for the payment service, by name."
    )
    gateway: str | None = Field(
        None,
        min_length=1,
        max_length=64,
        description="The name of the configured gateway that must charge it.",
    )
    charge_before: _Moment = Field(
        None,
        description="After it nothing is sent: a moment with its offset, or seconds from now.",
        examples=["2026-11-28T18:00:00+01:00", 600],
    )
    idempotency_key: str | None = Field(
        None, description="Not needed. If it is sent, it must be the key in the header."
    )

    def order(self, key: str) -> Order:
        """The order under this key. Raises `InvalidOrderError`."""
        moment = expiry_in(self.charge_before)
        return Order(**{**vars(self), "charge_before": moment, "idempotency_key": key})


class BatchOrder(NewOrder):
    """An order of a batch, with its key."""

    model_config = ConfigDict(json_schema_extra={"examples": [{**_EXAMPLE, "idempotency_key": "cart-17"}]})

    idempotency_key: str = Field(
        description="Your own name for the order, the same on each try, of 1 to 255 characters."
    )


class NewBatch(_Body):
    """Orders for the queue. Each is checked for itself, so that a bad one does not stop the others."""

    orders: list[SkipValidation[BatchOrder]] = Field(
        min_length=1, max_length=BATCH, description=f"1 to {BATCH} orders."
    )


class RetryBody(ActionBody):
    """`new_key` and `evidence` belong together."""

    new_key: bool = Field(False, strict=True, description="Send the order under a new key: needs `evidence`.")
    evidence: _Text | None = Field(
        None, description="How it is known that nothing was charged under the old key; it is recorded."
    )


class PaidBody(ActionBody):
    """The payment service has charged the order. `reason`: how is that known?"""

    outcome: Literal["paid"]
    charge_id: _Text = Field(description="The payment service's id of the charge.", examples=["ch_17"])


class NotChargedBody(ActionBody):
    """The payment service has not charged the order. `reason`: how is that known?"""

    outcome: Literal["not_charged"]


ResolveBody = Annotated[PaidBody | NotChargedBody, Field(discriminator="outcome")]
