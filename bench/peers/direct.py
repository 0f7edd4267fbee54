"""A direct call to the payment service: what each peer does at last, with the time-out that most shops have."""

from __future__ import annotations

import json
import os
import urllib.request
import uuid

TIMEOUT = float(os.environ.get("BENCH_TIMEOUT", "10"))  # Seconds, as Breakwall's PAYMENT_TIMEOUT.


def charge(key: str, url: str, timeout: float = TIMEOUT) -> str:
    """Charge once, and return the charge's id. `OSError` if the service does not answer, or with an error."""
    body = {"order_id": key, "user_id": "u1", "amount": 10_000, "currency": "KRW"}
    request = urllib.request.Request(
        f"{url}/api/charge",
        data=json.dumps(body).encode(),
        headers={"Content-Type": "application/json", "Idempotency-Key": key},
    )
    with urllib.request.urlopen(request, timeout=timeout) as answer:
        return str(json.load(answer)["charge_id"])


def new_key() -> str:
    return uuid.uuid4().hex
