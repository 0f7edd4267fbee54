"""The rows of the audit log: a word for each action, and a link to what it was done to."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from breakwall.payments.db.operator_tables import ActionResult
from breakwall.payments.interventions import Action, DrainAction
from breakwall.payments.operator.action_log import OperatorAction
from breakwall.payments.operator.audit_entries import AuditEntry
from breakwall.web.page.audit_view import AuditRow, audit_rows
from breakwall.web.page.labels import AUDIT_ACTIONS, AUDIT_KINDS, AUDIT_RESULTS, AUDIT_SYMBOLS
from breakwall.web.page.words import Words

ALL = {
    *(f"order_{one}" for one in Action),
    *(f"queue_{one}" for one in DrainAction),
    *OperatorAction,
    *("incident_close", "bulk_retry_create", "bulk_retry_abort"),
}
ID = "0123456789abcdef0123456789abcdef"


def row(action: str, subject: str | None = ID, result: str | None = "done", language: str = "en") -> AuditRow:
    at = datetime(2026, 11, 28, 10, 20, tzinfo=UTC)
    entry = AuditEntry(at, action, subject, "anna", "the service is back", None, result, "cursor")
    return audit_rows([entry], Words(language))[0]


def test_each_action_has_a_word_and_a_kind() -> None:
    assert set(AUDIT_ACTIONS) == ALL
    assert {action for action in ALL if action.startswith(tuple(f"{kind}_" for kind in AUDIT_KINDS))} == ALL


def test_each_result_has_a_word_and_a_symbol() -> None:
    assert set(AUDIT_RESULTS) == set(AUDIT_SYMBOLS) == {*ActionResult, None}


def test_an_action_of_a_newer_release_is_shown_as_it_is() -> None:
    assert row("moon_land").what == "moon_land"


@pytest.mark.parametrize(
    ("action", "subject", "address"),
    [
        ("order_retry", "order 01234567", f"/orders/{ID}"),
        ("incident_close", "order 01234567", f"/orders/{ID}"),
        ("bulk_retry_abort", "01234567", f"/bulk-retries/{ID}"),
        ("breaker_force_open", ID, None),
        ("token_create", ID, None),
    ],
)
def test_what_has_a_page_is_a_link(action: str, subject: str, address: str | None) -> None:
    shown = row(action)
    assert (shown.subject, shown.address) == (subject, address)


def test_a_row_says_when_who_and_why() -> None:
    shown = row("order_cancel", language="ko")
    assert (shown.moment, shown.actor, shown.reason) == ("2026-11-28 10:20:00", "anna", "the service is back")
    assert shown.what == "취소"
