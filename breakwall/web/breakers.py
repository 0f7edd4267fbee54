"""The circuit: what it is, an operator's override of it, and a probe now."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import Field

from breakwall.breaker import StoreLostError
from breakwall.breaker.operator_commands import LONGEST_OVERRIDE, why_no_probe
from breakwall.json_documents import breaker_document
from breakwall.log_throttle import throttled
from breakwall.monitor.metrics.breaker_gauges import effective_state
from breakwall.payments.db.operator_tables import ActionResult
from breakwall.web import circuit_overrides
from breakwall.web.action_body import ActionBody, Operator, Reader
from breakwall.web.circuit_overrides import Mode, check_shared
from breakwall.web.live.document_models import BreakerDocument
from breakwall.web.problems import ProblemError, ProblemType, invalid
from breakwall.web.services import Services, UsedServices

router = APIRouter(prefix="/v1/breakers/{name}", tags=["breaker"])

_warn = throttled(logging.getLogger("breakwall.api").warning)


class OverrideBody(ActionBody):
    """An override of the circuit, for every process."""

    mode: Mode
    for_seconds: Annotated[
        float | None,
        Field(gt=0, le=LONGEST_OVERRIDE, description="How long it holds; without: until it is lifted."),
    ] = None


@router.get("", response_model=BreakerDocument, summary="Show the circuit")
def show(name: str, services: UsedServices, reader: Reader) -> dict[str, Any]:
    """The circuit's computed `state`, its `override`, and `effective_state`: what decides about the next call."""
    check_name(services, name)
    return _document(services)


@router.put("/override", response_model=BreakerDocument, summary="Override the circuit, or lift the override")
def override(name: str, body: OverrideBody, services: UsedServices, operator: Operator) -> dict[str, Any]:
    """Every process obeys at its next payment. The circuit computes its own state meanwhile."""
    check_name(services, name)
    check_shared(services)
    author, lasts = body.author(operator), body.for_seconds
    if body.mode is Mode.AUTO and lasts is not None:
        raise invalid({"for_seconds": "should be left out with the mode auto: it lifts an override at once"})
    with _confirmed():
        circuit_overrides.override(services, body.mode, author, lasts)
    return _document(services)


@router.post("/probe", response_model=BreakerDocument, summary="Let the next call try the service now")
def probe(name: str, body: ActionBody, services: UsedServices, operator: Operator) -> dict[str, Any]:
    """Ends the open interval: the next call, of whichever process, is a probe. The service decides by it."""
    check_name(services, name)
    check_shared(services)
    author = body.author(operator)
    if why := why_no_probe(services.breaker.status()):
        raise ProblemError(ProblemType.REFUSED, why)
    with _confirmed():
        circuit_overrides.probe(services, author)
    return _document(services)


@contextmanager
def _confirmed() -> Iterator[None]:
    """Answer 503 if the store does not confirm the change in time: it may have stored it."""
    try:
        yield
    except StoreLostError as error:
        _warn(f"an operator's change of the circuit: {error}")
        raise ProblemError(
            ProblemType.UNAVAILABLE,
            "The circuit's store did not confirm the change in time. It may have stored it: GET the circuit before you "
            "send it again.",
            {"result": ActionResult.UNCONFIRMED.value},
            headers={"Retry-After": "5"},
        ) from error


def _document(services: Services) -> dict[str, Any]:
    status = services.breaker.status()
    return {**breaker_document(status), "effective_state": effective_state(status)}


def check_name(services: Services, name: str) -> None:
    """Answer 404 if it is not the circuit's name."""
    known = services.breaker.name
    if name != known:
        raise ProblemError(ProblemType.NOT_FOUND, f"there is no circuit of this name, only {known!r}")
