"""A shop's WSGI application, as a host loads it: each request's path is the key of an order that is placed.

``SHOP_BEFORE=N`` has the shop place so many orders, all at once, while it is being loaded.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from producers import HostError, Order, OrderProducer

refused: HostError | None = None
try:
    producer = OrderProducer.from_settings()
except HostError as error:
    # If the shop does not start, only its log shows it.
    refused = error


def place(key: str) -> dict[str, Any]:
    if refused is not None:
        return _failed(key, refused)
    try:
        result = producer.place(Order(user_id="u1", amount=10000, currency="KRW", idempotency_key=key))
    except Exception as error:
        return _failed(key, error)
    return {"key": key, "status": result.status, "charge": result.charge_id, "pid": os.getpid()}


def _failed(key: str, error: Exception) -> dict[str, Any]:
    return {"key": key, "error": f"{type(error).__name__}: {error}", "pid": os.getpid()}


def application(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
    start("200 OK", [("Content-Type", "application/json")])
    key = environ["PATH_INFO"].strip("/")
    return [json.dumps(place(key) if key else "serving").encode()]


BEFORE = int(os.environ.get("SHOP_BEFORE", "0"))
if BEFORE:
    with ThreadPoolExecutor(BEFORE) as pool:
        list(pool.map(place, [f"before-{os.getpid()}-{number}" for number in range(BEFORE)]))
