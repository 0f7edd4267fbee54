"""`GET /v1/backlog`, `/v1/backlog/history`, `/v1/workers` and `/v1/events`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import AwareDatetime

from breakwall.access.scopes import Scope
from breakwall.json_documents import backlog_document, fleet_document, history_point_document
from breakwall.monitor.backlog import Backlog
from breakwall.monitor.history.read import MOST_POINTS, read_history
from breakwall.monitor.history.thin import KEPT
from breakwall.web.access.principal import allow, while_allowed
from breakwall.web.live.document_models import BacklogDocument, FleetDocument, HistoryDocument
from breakwall.web.live.poller import Live, Seen
from breakwall.web.live.stream import event_stream
from breakwall.web.problems import ProblemError, ProblemType, invalid
from breakwall.web.services import UsedServices

router = APIRouter(tags=["operations"], dependencies=[allow(Scope.OPS_READ)])

USUAL_SPAN = timedelta(hours=1)
USUAL_POINTS = 360
RETRY_AFTER = "2"  # Seconds.
_STREAM: dict[int | str, dict[str, Any]] = {
    200: {"description": "Events `backlog` and `problem`.", "content": {"text/event-stream": {}}}
}


@router.get("/v1/backlog", response_model=BacklogDocument)
def get_backlog(services: UsedServices) -> JSONResponse:
    """The snapshot of the backlog, at most two seconds old."""
    return JSONResponse(backlog_document(_current(services.live)[0]))


@router.get("/v1/workers", response_model=FleetDocument)
def get_workers(services: UsedServices) -> JSONResponse:
    """The live workers, and those that fell silent within the last hour."""
    backlog, seen = _current(services.live)
    return JSONResponse(fleet_document(backlog, seen.fleet))


@router.get("/v1/backlog/history", response_model=HistoryDocument)
def get_history(
    services: UsedServices,
    since: Annotated[AwareDatetime | None, Query(description="By default an hour before `until`.")] = None,
    until: Annotated[AwareDatetime | None, Query(description="By default now.")] = None,
    points: Annotated[int, Query(ge=1, le=MOST_POINTS, description="At most so many.")] = USUAL_POINTS,
) -> JSONResponse:
    """The backlog's history, first to last. What lasted for seconds is on the chart, however few its points are."""
    try:
        end = until or datetime.now(UTC)
        start = max(since or end - USUAL_SPAN, end - timedelta(seconds=KEPT))
    except OverflowError:
        raise invalid({"since": "should be, as until, a moment of the years 1 to 9999"}) from None
    if start >= end:
        raise invalid({"since": "should be before until"})
    found = read_history(services.database, start, end, points)
    return JSONResponse({"points": [history_point_document(point) for point in found]})


@router.get("/v1/events", response_class=StreamingResponse, responses=_STREAM)
async def get_events(request: Request, services: UsedServices) -> StreamingResponse:
    """Server-sent events: `backlog` with a snapshot each two seconds, or `problem` while there is none.

    The stream ends when the token is revoked or expires.
    """
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    events = while_allowed(request, event_stream(services.live), Scope.OPS_READ)
    return StreamingResponse(events, media_type="text/event-stream", headers=headers)


def _current(live: Live) -> tuple[Backlog, Seen]:
    seen = live.latest()
    if seen.problem is not None or seen.backlog is None:
        raise _unavailable(seen.problem or "there is no snapshot yet")
    return seen.backlog, seen


def _unavailable(detail: str) -> ProblemError:
    return ProblemError(ProblemType.UNAVAILABLE, detail, headers={"Retry-After": RETRY_AFTER})
