"""The queue of waiting orders: pause it, resume it, limit its rate. Each change leaves a row in ``drain_actions``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import Field

from breakwall.json_documents import drain_document
from breakwall.payments.fleet.drain_control import DrainControl, DrainState
from breakwall.web.action_body import ActionBody, Operator, Reader
from breakwall.web.live.document_models import QueueDocument
from breakwall.web.services import Services, UsedServices

router = APIRouter(prefix="/v1/queue", tags=["queue"])

LONGEST_PAUSE = 100 * 365.25 * 86_400  # Seconds, a century: every database computes with it.
HIGHEST_RATE = 1_000_000  # As of BREAKWALL_RETRY__MAX_RATE.


class PauseBody(ActionBody):
    """A pause of the queue, in the whole fleet."""

    for_seconds: Annotated[
        float | None,
        Field(gt=0, le=LONGEST_PAUSE, description="How long it holds; without: until it is resumed."),
    ] = None


class RateBody(ActionBody):
    """The highest rate of the queue, in the whole fleet."""

    per_second: Annotated[
        float | None,
        Field(gt=0, le=HIGHEST_RATE, description="Orders a second of all workers together; null: no limit."),
    ]


@router.get("", response_model=QueueDocument, summary="Show whether the queue is paused, and its limit")
def show(services: UsedServices, reader: Reader) -> dict[str, Any]:
    """`paused` and `rate`, each with who and why; null if nothing holds."""
    return _answer(services, DrainControl.read)


@router.post("/pause", response_model=QueueDocument, summary="Send no waiting order")
def pause(body: PauseBody, services: UsedServices, operator: Operator) -> dict[str, Any]:
    """Workers obey within about two seconds, also after a restart. Customers' new orders are tried at once."""
    author = body.author(operator)
    return _answer(services, lambda control: control.pause(author, body.for_seconds))


@router.post("/resume", response_model=QueueDocument, summary="End the pause")
def resume(body: ActionBody, services: UsedServices, operator: Operator) -> dict[str, Any]:
    """Without a pause, nothing changes and nothing is recorded."""
    author = body.author(operator)
    return _answer(services, lambda control: control.resume(author))


@router.post("/rate", response_model=QueueDocument, summary="Limit how many waiting orders a second are sent")
def rate(body: RateBody, services: UsedServices, operator: Operator) -> dict[str, Any]:
    """The lower of this and `BREAKWALL_RETRY__MAX_RATE` holds."""
    author = body.author(operator)
    return _answer(services, lambda control: control.set_rate(author, body.per_second))


def _answer(services: Services, act: Callable[[DrainControl], DrainState]) -> dict[str, Any]:
    return drain_document(act(DrainControl(services.database, clock=services.clock)))
