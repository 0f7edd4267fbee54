"""One event: that an order has ended, as the shop is told. The same event always has the same id and the same bytes."""

import base64
import hashlib
import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

_ID = re.compile(r"evt_([0-9]{1,18})_([a-z2-7]{16})")


@dataclass(frozen=True)
class Event:
    """The end of an order. Its fields are columns of `outcomes` and of `orders`; no secret one is among them."""

    number: int  # `outcomes.id`
    order_id: str
    idempotency_key: str
    user_id: str
    amount: int
    currency: str
    status: str
    charge_id: str | None
    reason: str | None
    retry_count: int
    created_at: datetime
    settled_at: datetime

    @cached_property
    def id(self) -> str:
        """Stable over all tries. After a restore of the database the number may come again, but never the id."""
        return event_id(self.number, self.order_id, self.status, self.settled_at)

    @property
    def type(self) -> str:
        """Such as ``order.paid``."""
        return f"order.{self.status}"

    @cached_property
    def document(self) -> dict[str, Any]:
        """What the shop gets, in JSON's types. Without payment method, description and metadata."""
        return {
            "type": self.type,
            "id": self.id,
            "timestamp": _moment(self.settled_at),
            "data": {
                "order_id": self.order_id,
                "idempotency_key": self.idempotency_key,
                "user_id": self.user_id,
                "amount": self.amount,
                "currency": self.currency,
                "status": self.status,
                "charge_id": self.charge_id,
                "reason": self.reason,
                "retry_count": self.retry_count,
                "created_at": _moment(self.created_at),
                "settled_at": _moment(self.settled_at),
            },
        }

    @property
    def body(self) -> bytes:
        """The document as JSON in UTF-8: at most 7 kB, as each text has at most 255 characters."""
        return json.dumps(self.document, ensure_ascii=False, separators=(",", ":")).encode()


def event_id(number: int, order_id: str, status: str, at: datetime) -> str:
    """An event's id: its number, and a digest of what makes it this event."""
    told = f"{number}\n{order_id}\n{status}\n{_moment(at)}"
    digest = base64.b32encode(hashlib.sha256(told.encode()).digest()).decode()[:16].lower()
    return f"evt_{number}_{digest}"


def number_in(text: str) -> int | None:
    """The number in an event's id; None if the text is no such id."""
    found = _ID.fullmatch(text)
    return None if found is None else int(found[1])


def _moment(value: datetime) -> str:
    return value.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"
