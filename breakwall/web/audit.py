"""`GET /v1/audit`: what people did."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import AfterValidator, AwareDatetime, BaseModel

from breakwall.payments.operator.audit_entries import AuditFilter, InvalidCursorError, list_audit
from breakwall.texts import MAX_LENGTH
from breakwall.web.action_body import Reader
from breakwall.web.problems import invalid
from breakwall.web.services import UsedServices

MOST = 1000  # Entries of a page.

router = APIRouter(prefix="/v1", tags=["audit"])


class AuditEntryDocument(BaseModel):
    """One action of a person."""

    at: datetime
    action: str
    subject: str | None
    actor: str
    reason: str | None
    detail: str | None
    result: str | None
    cursor: str


class AuditPage(BaseModel):
    """Entries, newest first. ``next`` is the value of ``after`` for the next page; null: there is none."""

    entries: list[AuditEntryDocument]
    next: str | None


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("should be a time within the years 1 to 9999 in UTC") from None


_Moment = Annotated[AwareDatetime, AfterValidator(_in_utc)]
_Text = Annotated[str | None, Query(max_length=MAX_LENGTH, pattern=r"^[^\x00]*$")]


@router.get("/audit", summary="What people did")
def read_audit(
    services: UsedServices,
    reader: Reader,
    since: _Moment | None = None,
    until: _Moment | None = None,
    actor: _Text = None,
    action: _Text = None,
    subject: _Text = None,
    limit: Annotated[int, Query(ge=1, le=MOST)] = 50,
    after: _Text = None,
) -> AuditPage:
    """What people did, newest first: who, when, why, and how it went.

    `action` is a name such as `order_retry`, or its first words, such as `order`.
    """
    wanted = AuditFilter(since, until, actor, action, subject)
    try:
        found = services.database.read(
            lambda connection: list_audit(connection, wanted, limit=limit + 1, after=after)
        )
    except InvalidCursorError as error:
        raise invalid({"after": str(error)}) from error
    entries = [AuditEntryDocument.model_validate(entry, from_attributes=True) for entry in found[:limit]]
    return AuditPage(entries=entries, next=entries[-1].cursor if len(found) > limit else None)
