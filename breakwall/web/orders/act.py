"""`POST /v1/orders/{name}/retry|cancel|resolve`: what an operator does with one order."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

from fastapi import APIRouter, Body
from fastapi.responses import JSONResponse

from breakwall.json_documents import order_document, retried_order_document
from breakwall.payments.fleet.drain_control import DrainControl
from breakwall.payments.interventions import Author
from breakwall.payments.ledger.queries import get_order as find_order
from breakwall.payments.operator.locking import RefusedError
from breakwall.payments.orders import StoredOrder
from breakwall.texts import text_problem
from breakwall.web.action_body import ActionBody, Operator
from breakwall.web.orders import actions
from breakwall.web.orders.bodies import PaidBody, ResolveBody, RetryBody
from breakwall.web.orders.documents import OrderDocument, RetriedOrder, problems
from breakwall.web.orders.naming import By, OrderName, OrderNaming
from breakwall.web.problems import ProblemError, ProblemType, invalid
from breakwall.web.services import Services, UsedServices

router = APIRouter()

_PROBLEMS = problems(
    {
        400: "The body is no JSON.",
        404: "No order has this id or key.",
        409: "The order's state does not allow it, and `possible` names what it allows; or the name fits two orders.",
        410: "The order was pruned. `order` is what is kept of it.",
        415: "The body has another type than JSON.",
        422: "A field is wrong. Nothing was changed.",
        503: "The database does not answer.",
    }
)
_ORDER: dict[int | str, dict[str, Any]] = {
    200: {"model": OrderDocument, "description": "The order as it is now."},
    **_PROBLEMS,
}
_RETRIED: dict[int | str, dict[str, Any]] = {
    200: {"model": RetriedOrder, "description": "It is due now."},
    **_PROBLEMS,
}


@router.post("/v1/orders/{name:path}/retry", responses=_RETRIED, tags=["orders"])
def retry(
    name: OrderName, body: RetryBody, services: UsedServices, operator: Operator, by: By = OrderNaming.ANY
) -> JSONResponse:
    """Make an order due at once that is queued, dead or in review, with a whole new budget of attempts.

    If it may have been charged, it is looked up before anything is sent. `new_key` is for an order of which you know
    that nothing was charged: the payment service then sees a new request.
    """
    _check_evidence(body)
    before = find_order(services.database, name, by.naming)
    with _refusals(services, before):
        retried = actions.retry(services, before, body.author(operator), body.evidence)
    drain = DrainControl(services.database).read()
    document = retried_order_document(retried.order, drain)
    return JSONResponse({**document, "outlook": retried.outlook.sentence})


@router.post("/v1/orders/{name:path}/cancel", responses=_ORDER, tags=["orders"])
def cancel(
    name: OrderName, body: ActionBody, services: UsedServices, operator: Operator, by: By = OrderNaming.ANY
) -> JSONResponse:
    """Cancel an order that is not paid: at once if none of its attempts may have charged.

    Else the request is recorded (`cancel_requested`), and the order is cancelled once it is proven that nothing was
    charged.
    """
    before = find_order(services.database, name, by.naming)
    with _refusals(services, before):
        order = actions.cancel(services, before, body.author(operator))
    return JSONResponse(order_document(order))


@router.post("/v1/orders/{name:path}/resolve", responses=_ORDER, tags=["orders"])
def resolve(
    name: OrderName,
    body: Annotated[ResolveBody, Body()],
    services: UsedServices,
    operator: Operator,
    by: By = OrderNaming.ANY,
) -> JSONResponse:
    """Finish an order with what you found out at the payment service.

    `paid` is possible in any state but paid, `not_charged` for an order in review, which then is dead, or cancelled if
    that was requested.
    """
    before = find_order(services.database, name, by.naming)
    with _refusals(services, before):
        order = _resolve(services, before, body, body.author(operator))
    return JSONResponse(order_document(order))


def _resolve(services: Services, before: StoredOrder, body: ResolveBody, author: Author) -> StoredOrder:
    if isinstance(body, PaidBody):
        return actions.resolve_as_paid(services, before, body.charge_id, author)
    return actions.resolve_as_not_charged(services, before, author)


def _check_evidence(body: RetryBody) -> None:
    if body.new_key and body.evidence is None:
        raise invalid({"evidence": "is needed with new_key: how is it known that nothing was charged?"})
    if body.evidence is not None and not body.new_key:
        raise invalid({"evidence": "needs new_key: true"})
    if body.evidence is not None and (problem := text_problem(body.evidence)):
        raise invalid({"evidence": problem})


@contextmanager
def _refusals(services: Services, before: StoredOrder) -> Iterator[None]:
    """Answer a refusal with what is possible instead, in the state that the order has now."""
    try:
        yield
    except RefusedError as error:
        now = actions.order_now(services, before.id)
        possible = [action.value for action in now.possible]
        members: dict[str, object] = {"status_now": now.order.status.value, "possible": possible}
        raise ProblemError(ProblemType.REFUSED, f"{error}.", members) from error
