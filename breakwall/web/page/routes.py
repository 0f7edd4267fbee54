"""The page's addresses. Each answers with HTML that is whole without JavaScript."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse, RedirectResponse, Response, StreamingResponse
from sqlalchemy import select

from breakwall.access.scopes import Scope
from breakwall.currencies import MINOR_DIGITS
from breakwall.monitor.history.read import read_history
from breakwall.monitor.history.sample import Sample
from breakwall.payments.db.clock import Clock
from breakwall.payments.db.database import Database
from breakwall.payments.db.errors import DatabaseUnavailableError
from breakwall.payments.ledger.audit import list_incidents, list_interventions
from breakwall.payments.ledger.queries import (
    AmbiguousNameError,
    Naming,
    OrderNotFoundError,
    OrderPrunedError,
    get_order,
    list_attempts,
)
from breakwall.payments.orders import OrderStatus
from breakwall.payments.outcomes.operator import deliveries_of
from breakwall.web.access.principal import allow
from breakwall.web.live.poller import Seen
from breakwall.web.page import assets, people_routes
from breakwall.web.page.audit_view import audit_rows
from breakwall.web.page.bulk_view import bulk_view
from breakwall.web.page.cursor import Cursor
from breakwall.web.page.diagram import HEIGHT, WIDTH, diagram
from breakwall.web.page.history_table import history_rows
from breakwall.web.page.order_path import order_path
from breakwall.web.page.order_search import find_orders
from breakwall.web.page.overview_lists import OverviewLists, read_lists
from breakwall.web.page.page_data import PageData
from breakwall.web.page.problem_route import PageRoute, away
from breakwall.web.page.rendering import answer, reader, render
from breakwall.web.page.snapshot import arrivals_a_minute, completions_a_minute
from breakwall.web.page.timeline import OrderLife, timeline
from breakwall.web.page.verdict import unreachable
from breakwall.web.page.view import page_view
from breakwall.web.page.words import Words
from breakwall.web.services import Services, UsedServices

router = APIRouter(include_in_schema=False)
router.include_router(assets.router)
_pages = APIRouter(include_in_schema=False, dependencies=[allow(Scope.OPS_READ)], route_class=PageRoute)

HOUR, CHART_POINTS = timedelta(hours=1), 360  # What the chart shows: a sample each ten seconds.


def _page_data(request: Request, services: UsedServices) -> PageData:
    """The one of this process."""
    state = request.app.state
    if not hasattr(state, "page_data"):
        state.page_data = PageData(
            services.live,
            services.breaker.config,
            lambda: last_hour(services.database, services.clock),
            lambda: read_lists(services),
        )
    data: PageData = state.page_data
    return data


def last_hour(database: Database, clock: Clock) -> Sequence[Sample]:
    """The samples of the last hour, first to last; nothing while the database does not answer."""
    try:
        now = database.read(lambda connection: connection.execute(select(clock.after(0))).scalar_one())
        return read_history(database, now - HOUR, now, CHART_POINTS)
    except DatabaseUnavailableError:
        return ()


Data = Annotated[PageData, Depends(_page_data)]


@_pages.get("/")
def overview(request: Request, data: Data) -> HTMLResponse:
    """All of it on one page."""
    words = reader(request)
    seen = data.latest()
    if seen is None:
        return answer(request, "unreachable.html", status=503, verdict=unreachable(words))
    return answer(
        request,
        "overview.html",
        view=page_view(seen, words),
        history=history_rows(seen.history, words),
        **lists_values(seen.lists, words),
    )


def lists_values(lists: OverviewLists | None, words: Words) -> dict[str, Any]:
    """What the template of the lists takes."""
    return {
        "lists": lists,
        "bulk_retries": [] if lists is None else [bulk_view(bulk, words) for bulk in lists.bulk_retries],
        "actions": [] if lists is None else audit_rows(lists.actions, words),
    }


@_pages.get("/page/events")
async def events(request: Request, services: UsedServices, data: Data) -> StreamingResponse:
    """What has changed on the overview, as server-sent events: each is the HTML of its live part."""
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(
        _fragments(services, data, reader(request)), media_type="text/event-stream", headers=headers
    )


async def _fragments(services: Services, data: PageData, words: Words) -> AsyncIterator[str]:
    """An event for each snapshot, until the process stops."""
    with services.live.listening():
        number, shown = 0, None
        while (seen := await services.live.newer(number)) is not None:
            number = seen.number
            # In a thread, because history and lists may be read.
            html, shown = await run_in_threadpool(fragment, data, seen, words, shown)
            yield as_event(html)


def fragment(
    data: PageData, seen: Seen, words: Words, shown: OverviewLists | None = None
) -> tuple[str, OverviewLists | None]:
    """The live part of the overview, with the lists if others are ``shown``; and the lists that are shown then."""
    snapshot = data.of(seen)
    if snapshot is None:
        return render("verdict.html", words, verdict=unreachable(words)), shown
    html = render("live.html", words, view=page_view(snapshot, words), history=None)
    lists = snapshot.lists
    if lists is None or lists == shown:
        return html, shown
    return html + render("changed_lists.html", words, **lists_values(lists, words)), lists


def as_event(html: str) -> str:
    """A server-sent event: each line of ``html`` is one of its ``data``."""
    return "".join(f"data: {line}\n" for line in html.splitlines()) + "\n"


@_pages.get("/page/history")
def history(data: Data) -> dict[str, list[float]]:
    """The chart's columns. ``at``: seconds since 1970; arrivals and completions: orders a minute."""
    points = data.history()
    return {
        "at": [point.at.timestamp() for point in points],
        "queued": [point.queued for point in points],
        "arrivals": [arrivals_a_minute(point) for point in points],
        "completions": [completions_a_minute(point) for point in points],
        "oldest_due_age": [point.oldest_due_age_seconds for point in points],
        "open_share": [point.open_share for point in points],
    }


@_pages.get("/orders")
def order_list(
    request: Request,
    services: UsedServices,
    status: str = "",
    currency: str = "",
    name: Annotated[str, Query(max_length=300)] = "",
    after: str = "",
) -> Response:
    """Orders by their state and currency, or the one that has a name. What is no state or currency is left out."""
    if wanted := name.strip():
        return _named(request, services.database, wanted)
    states = [OrderStatus(status)] if status in set(OrderStatus) else []
    code = currency.strip().upper() if currency.strip().upper() in MINOR_DIGITS else ""
    try:
        found = find_orders(services.database, states=states, currency=code or None, after=Cursor.read(after))
    except DatabaseUnavailableError:
        return away(request)
    chosen = {"status": states[0].value if states else "", "currency": code}
    more = None
    if found.following is not None:
        more = f"/orders?{urlencode({**chosen, 'after': str(found.following)})}"
    return answer(request, "orders.html", found=found, chosen=chosen, more=more, is_first=not after)


def _named(request: Request, database: Database, name: str) -> Response:
    """To the order that a text names. If it names two, the id decides."""
    try:
        order = _with_name(database, name)
    except OrderNotFoundError as error:
        return _missing(request, name, error)
    except DatabaseUnavailableError:
        return away(request)
    return RedirectResponse(f"/orders/{order}", 303)


def _with_name(database: Database, name: str) -> str:
    try:
        return get_order(database, name).id
    except AmbiguousNameError:
        return get_order(database, name, Naming.ID).id


@_pages.get("/orders/{order_id}")
def one_order(request: Request, services: UsedServices, order_id: str) -> HTMLResponse:
    """One order: what happened to it, and what happens next."""
    words = reader(request)
    try:
        found = read_order_life(services.database, order_id)
    except OrderNotFoundError as error:
        return _missing(request, order_id, error)
    except DatabaseUnavailableError:
        return away(request)
    path = order_path(found.order, found.attempts, found.interventions)
    return answer(
        request,
        "order.html",
        history=found,
        order=found.order,
        rows=timeline(found, words),
        drawing=diagram(path, found.attempts, words),
        size=(WIDTH, HEIGHT),
    )


def read_order_life(database: Database, order_id: str) -> OrderLife:
    """All that is stored about an order. Raises as `get_order`."""
    order = get_order(database, order_id, Naming.ID)
    return OrderLife(
        order,
        list_attempts(database, order.id),
        list_interventions(database, order.id),
        list_incidents(database, order.id),
        database.read(lambda connection: deliveries_of(connection, order.id)),
    )


def _missing(request: Request, name: str, error: OrderNotFoundError) -> HTMLResponse:
    pruned = error.pruned if isinstance(error, OrderPrunedError) else None
    return answer(request, "missing.html", status=404, name=name, pruned=pruned)


router.include_router(_pages)
router.include_router(people_routes.router)
