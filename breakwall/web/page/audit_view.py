"""What people did, as rows in the reader's language. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from breakwall.actors import name_or
from breakwall.payments.operator.audit_entries import AuditEntry
from breakwall.web.page.labels import AUDIT_ACTIONS, AUDIT_RESULTS, AUDIT_SYMBOLS, INCIDENTS, label
from breakwall.web.page.own_texts import own_text
from breakwall.web.page.words import Words

_SHOWN = 8  # Characters of an id.


@dataclass(frozen=True, slots=True)
class AuditRow:
    """One action. ``key``: no other row has it. ``address``: the page of what it was done to, or None."""

    key: str
    moment: str
    what: str
    subject: str
    address: str | None
    actor: str
    reason: str
    detail: str
    symbol: str
    result: str


def audit_rows(entries: Iterable[AuditEntry], words: Words) -> list[AuditRow]:
    """A row for each entry, in their order."""
    return [_row(entry, words) for entry in entries]


def _row(entry: AuditEntry, words: Words) -> AuditRow:
    subject, address = _subject(entry, words)
    return AuditRow(
        key=entry.cursor,
        moment=words.moment(entry.at),
        what=label(AUDIT_ACTIONS, entry.action, words),
        subject=subject,
        address=address,
        actor=name_or("–", entry.actor),
        reason=entry.reason or "–",
        detail=_detail(entry, words),
        symbol=AUDIT_SYMBOLS.get(entry.result, "?"),
        result=label(AUDIT_RESULTS, entry.result, words),
    )


def _detail(entry: AuditEntry, words: Words) -> str:
    if entry.detail is None or entry.action.startswith("order_"):
        return entry.detail or ""  # On an order it is what the person has written.
    if entry.action.startswith("incident_"):
        return label(INCIDENTS, entry.detail, words)
    return own_text(entry.detail, words)


def _subject(entry: AuditEntry, words: Words) -> tuple[str, str | None]:
    """What it was done to, and the address of its page."""
    subject = entry.subject or "–"
    if entry.action.startswith(("order_", "incident_")):
        return words.text("order %(id)s", id=subject[:_SHOWN]), f"/orders/{subject}"
    if entry.action.startswith("bulk_retry_"):
        return subject[:_SHOWN], f"/bulk-retries/{subject}"
    return subject, None
