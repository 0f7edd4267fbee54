"""`POST /v1/orders/{name}/retry|cancel|resolve`: what an operator does with one order."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

from fastapi import APIRouter, Body
from fastapi.responses import JSONResponse

from breakwall.json_documents import order_document, retried_order_document
from breakwall.payments.decisions import next_step
from breakwall.payments.fleet.drain_control import DrainControl
from breakwall.payments.gateways import profile_from_settings
from breakwall.payments.gateways.base import GatewayProfile
from breakwall.payments.interventions import Author
from breakwall.payments.ledger.progress import progress_of
from breakwall.payments.ledger.queries import Naming
from breakwall.payments.ledger.queries import get_order as find_order
from breakwall.payments.operator.locking import RefusedError
from breakwall.payments.operator.outlook import outlook
from breakwall.payments.operator.possible import possible_actions
from breakwall.payments.operator.resolve import resolve_not_charged, resolve_paid
from breakwall.payments.operator.retry_and_cancel import cancel_order, retry_order
from breakwall.payments.orders import StoredOrder
from breakwall.texts import text_problem
from breakwall.web.action_body import ActionBody, Operator
from breakwall.web.orders.bodies import PaidBody, ResolveBody, RetryBody
from breakwall.web.orders.documents import OrderDocument, RetriedOrder, problems
from breakwall.web.orders.naming import By, OrderName, OrderNaming
from breakwall.web.problems import ProblemError, ProblemType, invalid
from breakwall.web.services import Services, UsedServices
from breakwall.wiring import lease_seconds, retry_policy

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
    profile = profile_from_settings(services.settings)
    before = find_order(services.database, name, by.naming)
    with _refusals(services, before):
        order = retry_order(
            services.database,
            before.id,
            body.author(operator),
            by=Naming.ID,
            looks_up=profile.looks_up,
            uncharged=body.evidence,
            clock=services.clock,
        )
    drain = DrainControl(services.database).read()
    sentence = _outlook(services, profile, before, order, vouched_for=body.new_key)
    return JSONResponse({**retried_order_document(order, drain), "outlook": sentence})


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
        order = cancel_order(
            services.database, before.id, body.author(operator), by=Naming.ID, clock=services.clock
        )
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
    database, clock = services.database, services.clock
    if not isinstance(body, PaidBody):
        return resolve_not_charged(database, before.id, author, by=Naming.ID, clock=clock)
    account = services.settings.payment_account
    return resolve_paid(
        database, before.id, body.charge_id, author, by=Naming.ID, account=account, clock=clock
    )


def _check_evidence(body: RetryBody) -> None:
    if body.new_key and body.evidence is None:
        raise invalid({"evidence": "is needed with new_key: how is it known that nothing was charged?"})
    if body.evidence is not None and not body.new_key:
        raise invalid({"evidence": "needs new_key: true"})
    if body.evidence is not None and (problem := text_problem(body.evidence)):
        raise invalid({"evidence": problem})


def _outlook(
    services: Services,
    profile: GatewayProfile,
    before: StoredOrder,
    order: StoredOrder,
    *,
    vouched_for: bool,
) -> str:
    """What a worker does next with an order that was retried."""
    lease = lease_seconds(services.settings)
    progress = services.database.read(
        lambda connection: progress_of(connection, services.clock, order.id, lease=lease)
    )
    step = next_step(progress, profile, retry_policy(services.settings))
    return outlook(step, progress, rotated=order.charge_key != before.charge_key, vouched_for=vouched_for)


@contextmanager
def _refusals(services: Services, before: StoredOrder) -> Iterator[None]:
    """Answer a refusal with what is possible instead, in the state that the order has now."""
    try:
        yield
    except RefusedError as error:
        now = find_order(services.database, before.id, Naming.ID)
        possible = [action.value for action in possible_actions(now.status)]
        members: dict[str, object] = {"status_now": now.status.value, "possible": possible}
        raise ProblemError(ProblemType.REFUSED, f"{error}.", members) from error
