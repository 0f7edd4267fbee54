"""The pages about what people did: the audit log, and one bulk retry."""

from __future__ import annotations

from urllib.parse import urlencode

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from breakwall.access.scopes import Scope
from breakwall.payments.db.errors import DatabaseUnavailableError
from breakwall.payments.operator.audit_entries import AuditEntry, AuditFilter, InvalidCursorError, list_audit
from breakwall.texts import text_problem
from breakwall.web.access.principal import allow
from breakwall.web.action_body import Reader
from breakwall.web.page.acting.bulk_retries import find_bulk_retry
from breakwall.web.page.acting.list_actions import bulk_links
from breakwall.web.page.audit_view import audit_rows
from breakwall.web.page.bulk_view import bulk_view
from breakwall.web.page.labels import AUDIT_KINDS
from breakwall.web.page.problem_route import PageRoute, away
from breakwall.web.page.rendering import answer, reader
from breakwall.web.services import Services, UsedServices

PAGE = 50  # Actions on one page.

router = APIRouter(include_in_schema=False, dependencies=[allow(Scope.OPS_READ)], route_class=PageRoute)


@router.get("/audit")
def audit_log(
    request: Request,
    services: UsedServices,
    action: str = "",
    actor: str = "",
    subject: str = "",
    after: str = "",
) -> HTMLResponse:
    """What people did, newest first. A filter that can fit nothing is left out."""
    kind = action if action in AUDIT_KINDS else ""
    chosen = {"action": kind, "actor": _name(actor), "subject": _name(subject)}
    wanted = AuditFilter(None, None, chosen["actor"] or None, kind or None, chosen["subject"] or None)
    try:
        found, is_first = _read(services, wanted, after)
    except DatabaseUnavailableError:
        return away(request)
    more = None
    if len(found) > PAGE:
        more = f"/audit?{urlencode({**chosen, 'after': found[PAGE - 1].cursor})}"
    rows = audit_rows(found[:PAGE], reader(request))
    newest = f"/audit?{urlencode(chosen)}"
    return answer(
        request, "audit.html", rows=rows, chosen=chosen, more=more, newest=None if is_first else newest
    )


def _name(text: str) -> str:
    """What the reader has written, if there can be a name like it."""
    name = text.strip()
    return "" if text_problem(name) else name


def _read(services: Services, wanted: AuditFilter, after: str) -> tuple[list[AuditEntry], bool]:
    """A page and one entry more, and whether it is the first page: a wrong place in the list is none."""
    place = after or None
    try:
        found = services.database.read(lambda one: list_audit(one, wanted, limit=PAGE + 1, after=place))
    except InvalidCursorError:
        return _read(services, wanted, "")
    return found, place is None


@router.get("/bulk-retries/{bulk_id}")
def one_bulk_retry(request: Request, services: UsedServices, bulk_id: str, person: Reader) -> HTMLResponse:
    """One bulk retry: which orders, how far it has come, and how it went."""
    try:
        found = find_bulk_retry(services, bulk_id)
    except DatabaseUnavailableError:
        return away(request)
    if found is None:
        return answer(request, "missing_bulk_retry.html", status=404, bulk_id=bulk_id)
    words = reader(request)
    links = bulk_links(found, words) if person.may_act else []
    return answer(request, "bulk_retry.html", bulk=bulk_view(found, words), links=links)
