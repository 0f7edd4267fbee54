"""What the payment service sends back."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(frozen=True)
class ServiceReply:
    """An HTTP response."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


REPLAYED = {"idempotent-replayed": "true"}  # The header with which Stripe marks a stored answer.

SendReply = Callable[[ServiceReply], None]


def as_json(http_status: int, *, retry_after: float | None = None, **fields: object) -> ServiceReply:
    headers = {"content-type": "application/json"}
    if retry_after is not None:
        headers["retry-after"] = str(int(retry_after))
    return ServiceReply(http_status, json.dumps(fields).encode(), headers)
