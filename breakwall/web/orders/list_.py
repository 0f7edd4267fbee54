"""`GET /v1/orders`: the newest orders, in pages."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse

from breakwall.access.scopes import Scope
from breakwall.json_documents import order_document
from breakwall.payments.ledger.queries import list_orders
from breakwall.payments.orders import OrderStatus, StoredOrder
from breakwall.texts import is_allowed
from breakwall.web.access.principal import Principal, allow
from breakwall.web.orders.documents import OrderPage, paged, problems
from breakwall.web.problems import ProblemError, invalid
from breakwall.web.services import UsedServices

router = APIRouter()

MOST = 500  # Orders of a page.
Place = tuple[datetime, str]  # The moment and the id of the last order of a page.

_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: paged(OrderPage, "Orders, newest first."),
    **problems({422: "A parameter is wrong.", 503: "The database does not answer."}),
}


@router.get("/v1/orders", responses=_ANSWERS, tags=["orders"])
def get_orders(
    services: UsedServices,
    principal: Annotated[Principal, allow(Scope.OPS_READ)],
    status: Annotated[OrderStatus | None, Query(description="Only orders with this status.")] = None,
    limit: Annotated[int, Query(ge=1, le=MOST, description="How many at most.")] = 50,
    cursor: Annotated[str | None, Query(max_length=200, description="`next` of the page before.")] = None,
) -> JSONResponse:
    """The newest orders, newest first. A page costs the same wherever it is in the list.

    An order whose status changes meanwhile may be missing from a list of one status, and no order comes twice.
    """
    after = None if cursor is None else _place_in(cursor)
    found = list_orders(services.database, status=status, limit=limit + 1, after=after)
    next_ = _cursor(found[limit - 1]) if len(found) > limit else None
    document = {"orders": [order_document(order) for order in found[:limit]], "next": next_}
    return JSONResponse(document, headers=_link(status, limit, next_))


def _link(status: OrderStatus | None, limit: int, cursor: str | None) -> dict[str, str]:
    if cursor is None:
        return {}
    query = {"status": status and status.value, "limit": limit, "cursor": cursor}
    given = urlencode({name: value for name, value in query.items() if value is not None})
    return {"Link": f'</v1/orders?{given}>; rel="next"'}


def _cursor(order: StoredOrder) -> str:
    place = json.dumps([order.created_at.astimezone(UTC).isoformat(), order.id])
    return urlsafe_b64encode(place.encode()).decode().rstrip("=")


def _place_in(cursor: str) -> Place:
    try:
        moment, order_id = json.loads(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        place = datetime.fromisoformat(moment).astimezone(UTC), str(order_id)
    except (ValueError, TypeError, OverflowError, RecursionError):
        raise _no_cursor() from None
    if not is_allowed(place[1]):  # No driver can encode it.
        raise _no_cursor()
    return place


def _no_cursor() -> ProblemError:
    return invalid({"cursor": "should be `next` of an earlier answer"})
