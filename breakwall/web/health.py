"""`/healthz` and `/readyz`, for whoever starts and watches the process. They need no token and name no address."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field

from breakwall.web.readiness import DATABASE, TimedAnswer
from breakwall.web.services import UsedServices

router = APIRouter(tags=["health"])


class HealthDocument(BaseModel):
    """The process answers."""

    status: Literal["ok"] = "ok"


class ReadyStatus(StrEnum):
    """What can be done now."""

    READY = "ready"  # Everything works.
    DEGRADED = "degraded"  # Orders are accepted; what is missing makes them wait longer.
    UNAVAILABLE = "unavailable"  # No order can be accepted.


class Dependency(BaseModel):
    """One thing that the process depends on."""

    status: Literal["up", "down"]
    required: bool = Field(description="Whether no order can be accepted without it.")
    latency_ms: float | None = Field(
        description="How long its answer took; null: there was none within a second."
    )
    problem: str | None = Field(description="What is wrong, as a word; the server's log says more.")
    revision: str | None = Field(None, description="The revision of the database's tables.")


class ReadinessDocument(BaseModel):
    """Whether orders can be accepted. The payment service is not asked: while it is down, orders wait."""

    status: ReadyStatus
    dependencies: dict[str, Dependency]


@router.get("/healthz", summary="Whether the process lives")
async def healthz() -> HealthDocument:
    """200 as long as the process answers, whatever it depends on."""
    return HealthDocument()


@router.get(
    "/readyz",
    summary="Whether orders can be accepted",
    responses={503: {"model": ReadinessDocument, "description": "No order can be accepted."}},
)
async def readyz(services: UsedServices, response: Response) -> ReadinessDocument:
    """200 while the orders database takes orders, whatever else is down; else 503. It is at most a second old."""
    seen = await services.readiness.look()
    document = _document(seen)
    if document.status is ReadyStatus.UNAVAILABLE:
        response.status_code = 503
    return document


def _document(seen: dict[str, TimedAnswer]) -> ReadinessDocument:
    works = {name: one.answer.problem is None for name, one in seen.items()}
    if not works[DATABASE]:
        status = ReadyStatus.UNAVAILABLE
    else:
        status = ReadyStatus.READY if all(works.values()) else ReadyStatus.DEGRADED
    return ReadinessDocument(
        status=status, dependencies={name: _dependency(name, seen[name]) for name in seen}
    )


def _dependency(name: str, seen: TimedAnswer) -> Dependency:
    return Dependency(
        status="up" if seen.answer.problem is None else "down",
        required=name == DATABASE,
        latency_ms=seen.latency_ms,
        problem=seen.answer.problem,
        revision=seen.answer.revision,
    )
