"""A claim on an order, and an attempt that was begun under it."""

import math
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Self

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
    send_within: float = math.inf  # Seconds after the claim's transaction within which it may be sent.
    send_by: float = math.inf  # The same moment on the process's monotonic clock, see `begun`.

    @property
    def order_id(self) -> str:
        return self.request.order_id

    def begun(self, at: float) -> Self:
        """The claim, whose transaction began at a moment of the process's monotonic clock."""
        return replace(self, send_by=at + self.send_within)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One request that may now be sent: its row is committed."""

    claim: Claim
    number: int


def seconds_left(charge_before: datetime | None, now: datetime) -> float:
    """Seconds until an order's last moment; infinite without one."""
    return math.inf if charge_before is None else (charge_before - now).total_seconds()


def charge_request(
    order: Order | Row[Any], order_id: str, charge_key: str, reference: str | None
) -> ChargeRequest:
    """What is sent to charge an order."""
    metadata = order.metadata
    return ChargeRequest(
        order_id,
        order.user_id,
        order.amount,
        order.currency,
        charge_key,
        reference,
        order.payment_method,
        order.description,
        None if metadata is None else metadata_in(metadata),
    )
