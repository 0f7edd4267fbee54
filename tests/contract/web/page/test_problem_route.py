"""A browser gets a page, whatever keeps it from what it asked for."""

from __future__ import annotations

import pytest

from breakwall.access.scopes import Scope
from breakwall.access.stored_tokens import create_token
from breakwall.payments.db.errors import DatabaseUnavailableError
from tests.contract.people import ANNA
from tests.contract.web.api_site import ApiSite

PATHS = ("/", "/orders", "/orders/a", "/audit", "/bulk-retries/a", "/page/history")


@pytest.mark.parametrize("path", PATHS)
def test_who_may_not_read_gets_a_page_that_says_so(api: ApiSite, path: str) -> None:
    token = create_token(api.services.database, "shop", frozenset({Scope.ORDERS_WRITE}), ANNA)
    answer = api.client.get(path, headers={"Authorization": f"Bearer {token}"})
    assert (answer.status_code, answer.headers["Content-Type"]) == (403, "text/html; charset=utf-8")
    assert "insufficient_scope" in answer.headers["WWW-Authenticate"]
    assert "This needs a token with the scope ops:read." in answer.text


@pytest.mark.parametrize("path", PATHS)
def test_while_nobody_knows_whether_a_token_is_needed_a_page_says_so(
    api: ApiSite, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object, **__: object) -> None:
        raise DatabaseUnavailableError("gone")

    monkeypatch.setattr(type(api.services.database), "read", away)
    answer = api.client.get(path)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")
    assert "The orders database does not answer, so nothing is known." in answer.text
