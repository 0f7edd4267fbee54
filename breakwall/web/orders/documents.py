"""The documents about orders, as the OpenAPI document describes them. Moments are ISO 8601 texts in UTC."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from breakwall.payments.interventions import Action
from breakwall.payments.orders import OrderStatus
from breakwall.payments.outcomes.operator import DeliveryState
from breakwall.web.problems import MEDIA_TYPE

_LOCATION = {"description": "The order's address.", "schema": {"type": "string"}}
_REPLAYED = {"description": "`true`: the key was known.", "schema": {"type": "string"}}
_LINK = {"description": "The next page, `rel=next`.", "schema": {"type": "string"}}


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid")


class PlacedOrder(_Document):
    """The state of an order that was placed."""

    id: str
    idempotency_key: str
    status: OrderStatus
    reason: str | None = Field(description="Why it ended as it did: a word for programs.")
    charge_id: str | None = Field(description="The payment service's id of the charge, if it is paid.")
    replayed: bool = Field(description="The key was known, so nothing was done.")
    message_code: str = Field(description="Names the message; it never changes.")
    message: str = Field(description="A sentence for the customer.")


class OrderDocument(_Document):
    """An order, without its payment method."""

    id: str
    idempotency_key: str
    charge_key: str = Field(description="The key that is sent to the payment service.")
    user_id: str
    amount: int
    currency: str
    status: OrderStatus
    retry_count: int
    deferral_count: int
    next_attempt_at: str | None
    charge_id: str | None
    last_error: str | None
    cancel_requested: bool
    created_at: str
    settled_at: str | None
    suspected_at: str | None
    has_payment_method: bool
    description: str | None
    metadata: dict[str, str] | None
    gateway: str | None
    charge_before: str | None
    reason: str | None


class AttemptDocument(_Document):
    """One request to charge."""

    number: int
    source: str
    gateway_key: str
    started_at: str
    finished_at: str | None
    outcome: str | None
    code: str | None
    detail: str | None
    charge_id: str | None
    settled_by: str | None
    prepared: str | None


class InterventionDocument(_Document):
    """What a person did."""

    at: str
    action: Action
    actor: str
    reason: str | None
    before: OrderStatus
    after: OrderStatus
    evidence: str | None
    run: str | None


class OutcomeDocument(_Document):
    """What the shop is told."""

    event_id: str
    order_id: str
    idempotency_key: str | None
    type: str
    at: str
    destination: str | None
    state: DeliveryState
    tries: int
    due_at: str | None
    delivered_at: str | None
    last_error: str | None


class OrderHistory(OrderDocument):
    """An order and its history. The history is there for `ops:read` alone."""

    attempts: list[AttemptDocument] | None = None
    interventions: list[InterventionDocument] | None = None
    incidents: list[dict[str, Any]] | None = None
    outcomes: list[OutcomeDocument] | None = None


class OrderPage(_Document):
    """Some orders, newest first."""

    orders: list[OrderDocument]
    next: str | None = Field(description="The `cursor` of the next page; null: there is none.")


class RetriedOrder(OrderDocument):
    """An order that is due at once, and what a worker does with it."""

    released: bool = Field(description="It is worked on although the queue is paused.")
    outlook: str = Field(description="What a worker does next, and under which key.")


class BatchItem(_Document):
    """The result of one order of a batch: `order` or `problem`, as a request for it alone would be answered."""

    http_status: int
    order: PlacedOrder | None = None
    problem: dict[str, Any] | None = None


class BatchResult(_Document):
    """The results, in the order of the request."""

    orders: list[BatchItem]
    accepted: int = Field(description="New orders.")
    already_known: int = Field(description="Orders whose key was known.")
    refused: int = Field(description="Orders that were not accepted.")


class ProblemDocument(BaseModel):
    """RFC 9457. More fields depend on the type."""

    type: str = Field(description="The address of an explanation. It names the type, and never changes.")
    title: str
    status: int
    detail: str


def located(model: type[BaseModel], description: str) -> dict[str, Any]:
    """The description of an answer with an order and its address."""
    headers = {"Location": _LOCATION, "Idempotent-Replayed": _REPLAYED}
    return {"model": model, "description": description, "headers": headers}


def paged(model: type[BaseModel], description: str) -> dict[str, Any]:
    """The description of an answer with a page of a list."""
    return {"model": model, "description": description, "headers": {"Link": _LINK}}


def problems(by_status: dict[int, str]) -> dict[int | str, dict[str, Any]]:
    """The descriptions of answers that are problem documents."""
    return {
        status: {
            "description": description,
            "content": {MEDIA_TYPE: {"schema": ProblemDocument.model_json_schema()}},
        }
        for status, description in by_status.items()
    }
