"""`POST /v1/orders/batch`: many orders, straight to the queue."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from pydantic import ValidationError

from breakwall.access.scopes import Scope
from breakwall.payments.orders import IdempotencyConflictError, InvalidOrderError
from breakwall.producers import AsyncOrderProducer, Order, PlaceResult
from breakwall.web.access.principal import allow
from breakwall.web.errors import problem_of
from breakwall.web.orders.answers import ANSWERS, placed_document
from breakwall.web.orders.bodies import BatchOrder, NewBatch
from breakwall.web.orders.documents import BatchResult, problems
from breakwall.web.orders.errors import placing
from breakwall.web.problems import ProblemError, problem_document
from breakwall.web.services import UsedServices
from breakwall.web.validation import problem_of_fields

ALLOWED = allow(Scope.ORDERS_WRITE)


class TokenFirstRoute(APIRoute):
    """Refuses who may not place orders before the body is read. FastAPI alone would read all of it first."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler with the check in front of it."""
        handle = super().get_route_handler()

        async def handled(request: Request) -> Response:
            await ALLOWED.dependency(request)
            return await handle(request)

        return handled


router = APIRouter(route_class=TokenFirstRoute)

Item = dict[str, Any]

_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {"model": BatchResult, "description": "Each order has its own result."},
    **problems(
        {
            400: "The body is no JSON.",
            415: "The body has another type than JSON.",
            422: "The body is no batch. Nothing was accepted.",
            503: "The database does not answer. Send the same batch again.",
        }
    ),
}


MAX_BODY = 4 * 1024 * 1024  # Bytes: 500 orders of 8 kB.


@router.post(
    "/v1/orders/batch",
    dependencies=[ALLOWED],
    responses=_ANSWERS,
    tags=["orders"],
    max_body_size=MAX_BODY,
)
async def place_batch(body: NewBatch, services: UsedServices) -> JSONResponse:
    """Put orders into the queue without charging them now. An order that is refused does not stop the others.

    All orders that are not refused are accepted together. The same batch may be sent again: each key is used once.
    """
    read = [_read(one) for one in body.orders]
    with placing():
        items = await _enqueue(services.producer, read)
    return JSONResponse({"orders": items, **_counts(items)})


def _read(given: Any) -> Order | ProblemError:
    try:
        one = BatchOrder.model_validate(given)
        return one.order(one.idempotency_key)
    except ValidationError as error:
        return problem_of_fields(error.errors())
    except InvalidOrderError as error:
        return problem_of(error)


async def _enqueue(producer: AsyncOrderProducer, read: list[Order | ProblemError]) -> list[Item]:
    results = iter(await producer.enqueue_each([one for one in read if isinstance(one, Order)]))
    return [_refused(one) if isinstance(one, ProblemError) else _item(one, next(results)) for one in read]


def _item(order: Order, result: PlaceResult | IdempotencyConflictError | InvalidOrderError) -> Item:
    if isinstance(result, IdempotencyConflictError | InvalidOrderError):
        return _refused(problem_of(result))
    document = placed_document(order.idempotency_key, result)
    return {"http_status": ANSWERS[result.status].http_status, "order": document}


def _refused(problem: ProblemError) -> Item:
    return {"http_status": problem.type.value.status, "problem": problem_document(problem)}


def _counts(items: list[Item]) -> dict[str, int]:
    kinds = Counter(
        "refused" if "problem" in item else "already_known" if item["order"]["replayed"] else "accepted"
        for item in items
    )
    return {name: kinds[name] for name in ("accepted", "already_known", "refused")}
