"""A claim on an order, and an attempt that was begun under it."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row

from breakwall.payments.decisions import Progress
from breakwall.payments.gateways.base import ChargeRequest
from breakwall.payments.orders import Order, metadata_in


@dataclass(frozen=True, slots=True)
class Claim:
    """The exclusive right to work on an order until the lease expires."""

    request: ChargeRequest
    fence: int
    progress: Progress

    @property
    def order_id(self) -> str:
        return self.request.order_id


@dataclass(frozen=True, slots=True)
class Attempt:
    """One request that may now be sent: its row is committed."""

    claim: Claim
    number: int


def charge_request(
    order: Order | Row[Any], order_id: str, charge_key: str, reference: str | None
) -> ChargeRequest:
    """What is sent to charge an order. A row may come from a database without the newest columns."""
    metadata = getattr(order, "metadata", None)
    return ChargeRequest(
        order_id,
        order.user_id,
        order.amount,
        order.currency,
        charge_key,
        reference,
        getattr(order, "payment_method", None),
        getattr(order, "description", None),
        None if metadata is None else metadata_in(metadata),
    )
