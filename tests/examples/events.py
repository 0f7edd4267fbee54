"""Events as Breakwall tells them to a shop, and their signatures."""

import base64
import json
from datetime import UTC, datetime
from typing import Any

from standardwebhooks import Webhook

SECRET = "whsec_" + base64.b64encode(b"e" * 32).decode()


def event_of(number: str, status: str, event_id: str = "evt_1", second: int = 0) -> dict[str, Any]:
    """An event of the order with this number, from a second that is later than any real event."""
    moment = f"9999-01-01T00:00:{second:02}.000000Z"
    data = {"order_id": "o1", "idempotency_key": number, "status": status, "settled_at": moment}
    return {"type": f"order.{status}", "id": event_id, "timestamp": moment, "data": data}


def signed(event: dict[str, Any], secret: str = SECRET) -> tuple[bytes, dict[str, str]]:
    """The body and the headers of a webhook."""
    body, now = json.dumps(event), datetime.now(UTC)
    signature = Webhook(secret).sign(event["id"], now, body)
    headers = {"webhook-id": event["id"], "webhook-timestamp": str(int(now.timestamp()))}
    return body.encode(), {**headers, "webhook-signature": signature, "content-type": "application/json"}
