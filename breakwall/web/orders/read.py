"""`GET /v1/orders/{name}`: one order, and its history for operators."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse

from breakwall.access.scopes import Scope
from breakwall.json_documents import order_document, order_history_document
from breakwall.payments.db.database import Database
from breakwall.payments.ledger.audit import list_incidents, list_interventions
from breakwall.payments.ledger.queries import Naming, list_attempts
from breakwall.payments.orders import StoredOrder
from breakwall.payments.outcomes.operator import deliveries_of
from breakwall.web.access.principal import Principal, allow
from breakwall.web.orders.documents import OrderHistory, problems
from breakwall.web.orders.naming import By, OrderName, OrderNaming
from breakwall.web.orders.preferences import LONGEST_WAIT
from breakwall.web.services import Services, UsedServices

router = APIRouter()

READER = allow(Scope.ORDERS_WRITE, Scope.OPS_READ)

_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {"model": OrderHistory, "description": "The order as it is now."},
    **problems(
        {
            404: "No order has this id or key.",
            409: "The name is one order's id and another order's key.",
            410: "The order was pruned. `order` is what is kept of it.",
            422: "A parameter is wrong.",
            503: "The database does not answer.",
        }
    ),
}

_Wait = Annotated[
    float,
    Query(
        ge=0,
        le=LONGEST_WAIT,
        allow_inf_nan=False,
        description="Wait so many seconds at most for the order's end.",
    ),
]


# A key may have any character, a slash too.
@router.get("/v1/orders/{name:path}", responses=_ANSWERS, tags=["orders"])
async def get_order(
    name: OrderName,
    services: UsedServices,
    principal: Annotated[Principal, READER],
    by: By = OrderNaming.ANY,
    wait: _Wait = 0,
) -> JSONResponse:
    """The order as it is now. Its attempts, interventions, incidents and outcomes need the scope `ops:read`."""
    order = await _found(services, name, wait, by.naming)
    if Scope.OPS_READ not in principal.scopes:
        return JSONResponse(order_document(order))
    return JSONResponse(await run_in_threadpool(history, services.database, order))


async def _found(services: Services, name: str, wait: float, by: Naming) -> StoredOrder:
    """The order at its end, or as it is when ``wait`` is over or the process stops."""
    producer = services.producer
    ended = await services.stopping.result_or_stop(producer.wait_for(name, wait, by)) if wait else None
    return ended or await producer.get(name, by)


def history(database: Database, order: StoredOrder) -> dict[str, Any]:
    """The document of an order and all that happened to it."""
    return order_history_document(
        order,
        list_attempts(database, order.id),
        list_interventions(database, order.id),
        list_incidents(database, order.id),
        database.read(lambda connection: deliveries_of(connection, order.id)),
    )
