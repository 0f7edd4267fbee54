"""`/v1/bulk-retries`: retries of all orders that match. The request makes a row; workers do the rest."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Header, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from breakwall.json_documents import bulk_retry_document, preview_document
from breakwall.payments.interventions import MAX_REASON
from breakwall.payments.operator.bulk_retry.preview import Preview, preview
from breakwall.payments.operator.bulk_retry.record import (
    MAX_NUMBER,
    SLOWEST,
    BulkRetries,
    BulkRetry,
    BulkRetryNotFoundError,
)
from breakwall.payments.operator.bulk_retry.selection import LONGEST, Selection, selection_problems
from breakwall.payments.orders import OrderStatus
from breakwall.texts import MAX_LENGTH, character_problem, text_problem
from breakwall.web.action_body import ActionBody, Operator, Reader
from breakwall.web.orders.keys import key_in
from breakwall.web.problems import invalid
from breakwall.web.services import Services, UsedServices

router = APIRouter(prefix="/v1/bulk-retries", tags=["bulk retries"])

LISTED = 50  # Bulk retries in one answer by default.

State = Literal["collecting", "running", "finished", "aborted"]
Retryable = Literal["queued", "dead", "review"]


class SelectionBody(BaseModel):
    """Which orders: those that meet all conditions."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    statuses: list[Retryable] = Field(min_length=1, max_length=3)
    currency: str | None = Field(None, description="An ISO 4217 code.", pattern="^[A-Z]{3}$")
    older_than: float = Field(
        0.0, ge=0, le=LONGEST, description="Seconds since they were accepted, at least."
    )
    error_contains: str | None = Field(None, min_length=1, max_length=MAX_REASON)
    rejected: bool = Field(False, description="Only if the payment service rejected the last attempt.")


class BulkRetryBody(ActionBody):
    """What to retry, and how."""

    selection: SelectionBody
    name: str | None = Field(None, min_length=1, max_length=MAX_LENGTH)
    rate: float | None = Field(None, ge=SLOWEST, le=1e6, description="Orders a second, at most.")
    limit: int | None = Field(None, ge=1, le=MAX_NUMBER, description="The oldest so many.")
    dry_run: bool = Field(False, description="Change nothing; only count the orders.")


class PreviewDocument(BaseModel):
    """What a bulk retry would do, in numbers of orders; null where to count them would take too long."""

    dry_run: Literal[True] = True
    eligible: int | None
    looked_up_first: int | None
    already_paid: int | None
    skipped: dict[str, int] | None
    to_be_resolved: int | None


class BulkRetryDocument(BaseModel):
    """A bulk retry. Numbers without a unit are numbers of orders; null where they were too many to count."""

    id: str
    name: str
    state: State
    created_at: datetime
    actor: str
    reason: str
    selection: SelectionBody
    rate: float | None
    limit: int | None
    eligible: int
    looked_up_first: int | None
    already_paid: int | None
    skipped: int | None
    to_be_resolved: int | None
    retried: int
    changed: int
    paid: int
    disputed: int
    done: int
    seconds_left: float | None
    waits_for: str | None = Field(
        description="The gateway of the orders that are left, which no live worker has: it waits for one."
    )
    started_at: datetime | None
    ended_at: datetime | None
    aborted_by: str | None
    abort_reason: str | None


@router.post(
    "",
    status_code=201,
    response_model=BulkRetryDocument | PreviewDocument,
    responses={200: {"model": PreviewDocument, "description": "A dry run: nothing was changed."}},
)
def create(
    body: BulkRetryBody,
    services: UsedServices,
    response: Response,
    operator: Operator,
    idempotency_key: Annotated[str | None, Header(max_length=MAX_LENGTH)] = None,
) -> Any:
    """Retry all orders that match now. Workers do it, at the rate that is asked for.

    With an `Idempotency-Key`, the same request again gives the same bulk retry.
    """
    selection, author = _selection(body.selection), body.author(operator)
    if body.dry_run:
        response.status_code = 200
        return _preview_document(preview(services.database, selection, clock=services.clock))
    bulk_id = None if idempotency_key is None else _id_of(idempotency_key)
    made = _all(services).create(
        selection, author, name=_name(body.name), rate=body.rate, limit=body.limit, bulk_id=bulk_id
    )
    response.headers["Location"] = f"{router.prefix}/{made.id}"
    return _document(made)


@router.get("")
def newest(
    services: UsedServices,
    reader: Reader,
    limit: Annotated[int, Query(ge=1, le=1000)] = LISTED,
) -> list[BulkRetryDocument]:
    """The newest bulk retries, the newest first."""
    return [_document(bulk) for bulk in _all(services).newest(limit)]


@router.get("/{bulk_id}")
def show(bulk_id: str, services: UsedServices, reader: Reader) -> BulkRetryDocument:
    """One bulk retry: its counts, its progress, and an estimate of the seconds that are left."""
    return _document(_all(services).get(_stored(bulk_id)))


@router.post("/{bulk_id}/abort")
def abort(
    bulk_id: str,
    body: ActionBody,
    services: UsedServices,
    operator: Operator,
) -> BulkRetryDocument:
    """Retry no more of its orders after the batch in hand. What was retried stays retried."""
    return _document(_all(services).abort(_stored(bulk_id), body.author(operator)))


def _all(services: Services) -> BulkRetries:
    return BulkRetries(services.database, clock=services.clock)


def _selection(body: SelectionBody) -> Selection:
    if problems := selection_problems(body.currency, body.error_contains):
        raise invalid({f"selection.{field}": problem for field, problem in problems.items()})
    statuses = tuple(dict.fromkeys(OrderStatus(status) for status in body.statuses))
    return Selection(statuses, body.currency, body.older_than, body.error_contains, body.rejected)


def _name(name: str | None) -> str | None:
    if name is not None and (problem := text_problem(name)):
        raise invalid({"name": problem})
    return name


def _id_of(header: str) -> str:
    """The id that belongs to a key, which a client may send with or without quotation marks."""
    return hashlib.sha256(f"bulk retry {key_in(header)}".encode()).hexdigest()[:32]


def _stored(bulk_id: str) -> str:
    """The id, if it is a text that the database can hold."""
    if character_problem(bulk_id):
        raise BulkRetryNotFoundError("with this id")
    return bulk_id


def _document(bulk: BulkRetry) -> BulkRetryDocument:
    return BulkRetryDocument.model_validate(bulk_retry_document(bulk))


def _preview_document(seen: Preview) -> PreviewDocument:
    return PreviewDocument.model_validate(preview_document(seen))
