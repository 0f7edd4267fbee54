"""What every action of the page does alike. The pause stands for all of them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

import pytest

from breakwall.access.scopes import Scope
from breakwall.payments.db.database import Database
from breakwall.payments.db.errors import DatabaseUnavailableError
from breakwall.payments.fleet.drain_control import DrainControl, Pause
from breakwall.payments.interventions import Author
from breakwall.web.page.acting.routes import router
from tests.contract.web.api_site import ApiSite
from tests.contract.web.page.acting.acting_person import (
    OURS,
    act,
    hidden_in,
    open_form,
    send_form,
    sign_in,
)

PAUSE = "/act/queue/pause"
EVIL = '"><script>alert(1)</script>%(x)s'
TYPED = {"reason": EVIL, "actor": "민준", "lasts": "300"}


def paused(api: ApiSite) -> Pause | None:
    return DrainControl(api.site.database, clock=api.site.clock).read().paused


def addresses(routes: Iterable[Any] = router.routes) -> Iterator[str]:
    """Of all actions; a parameter of an address stands for itself."""
    for route in routes:
        if hasattr(route, "original_router"):
            yield from addresses(route.original_router.routes)
        elif "POST" in route.methods:
            yield re.sub(r"[{}]", "", route.path)


def is_kept(html: str) -> bool:
    """Whether the form still has what was typed, and runs none of it."""
    shown = "&#34;&gt;&lt;script&gt;alert(1)&lt;/script&gt;%(x)s"
    return shown in html and 'value="민준"' in html and "<script>alert" not in html


def test_what_is_wrong_is_said_at_the_field_and_nothing_typed_is_lost(api: ApiSite) -> None:
    answer = act(api, PAUSE, **{**TYPED, "reason": " ", "actor": EVIL})
    assert answer.status_code == 422
    assert 'role="alert"' in answer.text
    assert '<a href="#field-reason">Reason</a>: Please fill this in.' in answer.text
    assert 'aria-describedby="field-reason-help field-reason-problem" aria-invalid="true"' in answer.text
    assert "&#34;&gt;&lt;script&gt;" in answer.text
    assert '<option value="300" selected>' in answer.text
    assert paused(api) is None


@pytest.mark.parametrize(
    ("field", "value", "advice"),
    [
        ("reason", "x" * 501, "At most 500 characters fit."),
        ("reason", "a\x00b", "It has a character that cannot be shown"),
        ("actor", "x" * 256, "At most 255 characters fit."),
        ("lasts", "7", "Please choose one of the list."),
        ("lasts", "-1", "Please choose one of the list."),
    ],
)
def test_a_wrong_field_changes_nothing(api: ApiSite, field: str, value: str, advice: str) -> None:
    answer = act(api, PAUSE, **{field: value})
    assert answer.status_code == 422
    assert advice in answer.text
    assert paused(api) is None


def test_who_was_quicker_is_shown_before_it_is_done_all_the_same(api: ApiSite) -> None:
    seen = open_form(api, PAUSE).text
    DrainControl(api.site.database, clock=api.site.clock).pause(Author("anna", "the bank calls"), None)
    refused = send_form(api, PAUSE, seen, **TYPED)
    assert refused.status_code == 409
    assert "has changed since you opened it" in refused.text
    assert "Paused by anna" in refused.text
    assert is_kept(refused.text)
    assert send_form(api, PAUSE, refused.text, **TYPED).status_code == 303
    kept = paused(api)
    assert kept is not None
    assert kept.actor == "민준"


def test_a_database_that_does_not_answer_loses_nothing_that_was_typed(
    api: ApiSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object, **__: object) -> None:
        raise DatabaseUnavailableError("gone from secret.example")

    seen = open_form(api, PAUSE).text
    with monkeypatch.context() as patch:
        patch.setattr(Database, "write", away)
        writes_refused = send_form(api, PAUSE, seen, **TYPED)
        patch.setattr(Database, "read", away)
        api.app.state.access.tokens.are_required = lambda: False
        all_refused = send_form(api, PAUSE, seen, **TYPED)
    for answer in (writes_refused, all_refused):
        assert answer.status_code == 503
        assert int(answer.headers["Retry-After"]) > 0
        assert "The orders database does not answer." in answer.text
        assert is_kept(answer.text)
        assert "secret.example" not in answer.text
    again = api.client.post(PAUSE, data=hidden_in(all_refused.text), headers=OURS, follow_redirects=False)
    assert again.status_code == 303
    assert paused(api) is not None


def test_with_a_token_its_name_is_recorded_and_nobody_is_asked(api: ApiSite) -> None:
    sign_in(api, Scope.OPS_READ, Scope.OPS_WRITE)
    assert 'name="actor"' not in open_form(api, PAUSE).text
    act(api, PAUSE, actor="anna")
    kept = paused(api)
    assert kept is not None
    assert kept.actor == "minjun"


def test_the_page_says_what_was_done_and_repeats_no_text_of_the_address(api: ApiSite) -> None:
    done = api.client.get("/?done=queue_paused").text
    assert re.search(r'<p role="status" class="done">.*You have paused the queue', done)
    assert '<meta http-equiv="refresh" content="10; url=/">' in done
    assert 'role="status" class="done"' not in api.client.get("/?done=<b>anything").text


def test_what_was_done_is_seen_at_once(api: ApiSite) -> None:
    assert "paused the queue" not in api.client.get("/").text
    act(api, PAUSE)
    assert "kim paused the queue" in api.client.get("/").text


def test_the_form_is_korean_for_who_reads_korean(api: ApiSite) -> None:
    answer = api.client.post(PAUSE, data={}, headers={**OURS, "Accept-Language": "ko"})
    assert answer.status_code == 422
    assert not re.findall(
        r">[^<]*[A-Za-z]{4}[^<]*<", answer.text.replace("Breakwall", "").replace("English", "")
    )


@pytest.mark.parametrize("address", sorted(addresses()))
class TestEveryAddress:
    def test_another_site_cannot_act(self, api: ApiSite, address: str) -> None:
        for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}):
            answer = api.client.post(address, data={"reason": "mine"}, headers=headers)
            assert answer.status_code == 403
            assert "cross-site" in answer.json()["type"]

    def test_who_may_only_read_gets_a_page_that_says_so(self, api: ApiSite, address: str) -> None:
        sign_in(api, Scope.OPS_READ, Scope.ORDERS_WRITE)
        for answer in (api.client.get(address), api.client.post(address, data={"reason": "mine"})):
            assert answer.status_code == 403
            assert "ops:write" in answer.text
            assert answer.headers["Content-Type"].startswith("text/html")

    def test_a_body_that_is_no_form_is_a_refusal(self, api: ApiSite, address: str) -> None:
        for body in (b"\xff" * 50, b"{", b"reason=%ff&&&=", b""):
            answer = api.client.post(address, content=body, headers=OURS)
            assert 400 <= answer.status_code < 500
