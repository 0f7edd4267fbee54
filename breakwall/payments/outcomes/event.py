"""One event: that an order has ended, as the shop is told. The same event always has the same id and the same bytes."""

import base64
import hashlib
import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

_JSON = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
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
        return _event_id(self.number, self.order_id, self.status, self._ended_at)

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
            "timestamp": self._ended_at,
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
                "settled_at": self._ended_at,
            },
        }

    @cached_property
    def body(self) -> bytes:
        """The document as JSON in UTF-8: at most 7 kB, as each text has at most 255 characters."""
        return _JSON.encode(self.document).encode()

    @cached_property
    def _ended_at(self) -> str:
        return _moment(self.settled_at)


def event_id(number: int, order_id: str, status: str, at: datetime) -> str:
    """An event's id: its number, and a digest of what makes it this event."""
    return _event_id(number, order_id, status, _moment(at))


def _event_id(number: int, order_id: str, status: str, at: str) -> str:
    told = f"{number}\n{order_id}\n{status}\n{at}"
    digest = hashlib.sha256(told.encode()).digest()[:10]  # 16 letters
    return f"evt_{number}_{base64.b32encode(digest).decode().lower()}"


def number_in(text: str) -> int | None:
    """The number in an event's id; None if the text is no such id."""
    found = _ID.fullmatch(text)
    return None if found is None else int(found[1])


def _moment(value: datetime) -> str:
    return value.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"
