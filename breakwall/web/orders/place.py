"""`POST /v1/orders`: place one order."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import Any

from fastapi import APIRouter, Request, Response

from breakwall.access.scopes import Scope
from breakwall.producers import (
    AsyncOrderProducer,
    DatabaseUnavailableError,
    Naming,
    Order,
    OrderStatus,
    PlaceResult,
)
from breakwall.producers.pending import replay
from breakwall.producers.polling import Polling
from breakwall.web.access.principal import allow
from breakwall.web.orders import keys, preferences
from breakwall.web.orders.answers import placed_response
from breakwall.web.orders.bodies import NewOrder
from breakwall.web.orders.documents import PlacedOrder, located, problems
from breakwall.web.orders.errors import placing
from breakwall.web.orders.keys import key_of
from breakwall.web.orders.preferences import Preferences, preferences_of
from breakwall.web.orders.reading_bodies import read_body
from breakwall.web.problems import invalid
from breakwall.web.services import Services, services_of

_ANSWERS: dict[int | str, dict[str, Any]] = {
    201: located(PlacedOrder, "It is paid."),
    202: located(PlacedOrder, "It is accepted, and not finished: a worker or a person still has it."),
    **problems(
        {
            400: "The header `Idempotency-Key` is missing or not usable; or the body is no JSON.",
            402: "It has ended, and nothing was charged: it is declined, dead or cancelled. `order` has its state.",
            415: "The body has another type than JSON.",
            422: "A field is wrong; or the key belongs to another order. Nothing was accepted.",
            503: "The database does not answer. Place the order again with the same key.",
        }
    ),
}


_DOCUMENTED = {
    "parameters": [keys.DOCUMENTED, preferences.DOCUMENTED],
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": NewOrder.model_json_schema()}},
    },
}


PATH = "/v1/orders"
PLACED = "breakwall.placed"  # In the ASGI scope: gives what came of an order that `short_way` has placed, or raises it.
ALLOWED = allow(Scope.ORDERS_WRITE)
router = APIRouter()


# It reads the request by itself, because `short_way` may have done so.
@router.post(
    PATH,
    status_code=201,
    response_model=None,
    dependencies=[ALLOWED],
    responses=_ANSWERS,
    openapi_extra=_DOCUMENTED,
    tags=["orders"],
)
async def place_order(request: Request) -> Response:
    """Place an order: it is charged now, or later if the payment service cannot be asked.

    The same order under the same key is never charged twice: a repeated request waits like the first one, and is
    answered with the order's state as it is now, and with `Idempotent-Replayed: true`.
    """
    key, preferred = key_of(request), preferences_of(request)
    with placing():
        if (placed := request.scope.get(PLACED)) is not None:
            result = placed()
        else:
            order = order_under(await read_body(request, NewOrder), key)
            result = await place(services_of(request), order, preferred)
    return placed_response(key, result, preferred.headers)


def order_under(body: NewOrder, key: str) -> Order:
    """The order in a body under the key in the header. Raises `ProblemError` and `InvalidOrderError`."""
    if body.idempotency_key not in {None, key}:
        raise invalid({"idempotency_key": "should be the key in the header Idempotency-Key, or left out"})
    return body.order(key)


async def place(services: Services, order: Order, preferred: Preferences) -> PlaceResult:
    """The order's state when it has ended, or when its caller's wait is over, or when the process stops.

    Raises as `AsyncOrderProducer.place`.
    """
    producer, stopping = services.producer, services.stopping
    wait = services.settings.place.wait if preferred.wait is None else float(preferred.wait)
    if preferred.enqueues:
        return await producer.enqueue_one(order, wait)
    began = time.monotonic()
    result = await producer.place(order, wait, leave=stopping.answer)
    if result.replayed and result.status is OrderStatus.IN_FLIGHT:
        left = began + wait - time.monotonic()
        return await stopping.result_or_stop(_while_in_flight(producer, result, left)) or result
    return result


async def _while_in_flight(producer: AsyncOrderProducer, result: PlaceResult, seconds: float) -> PlaceResult:
    """A repeated request waits like the first one while that one's charge runs. Returns the newest known state."""
    polling = Polling(seconds, time.monotonic)
    with suppress(TimeoutError, DatabaseUnavailableError):
        async with asyncio.timeout(seconds):
            order = await producer.get(result.order_id, Naming.ID)
            while order.status is OrderStatus.IN_FLIGHT:
                await asyncio.sleep(polling.next_pause(order) or seconds)
                order = await producer.get(order.id, Naming.ID)
            return replay(order)
    return result
