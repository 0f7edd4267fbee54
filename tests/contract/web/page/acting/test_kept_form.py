"""A form that was refused keeps what was typed, and its page has an address of its own."""

from __future__ import annotations

import base64
import random
import re
import zlib
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest

from breakwall.access.scopes import Scope
from breakwall.access.sessions import end_session
from breakwall.access.stored_tokens import create_token, revoke_token
from breakwall.payments.fleet.drain_control import DrainControl, Pause
from breakwall.payments.interventions import MAX_REASON
from breakwall.texts import MAX_LENGTH
from breakwall.web.page.acting.kept_form import KEPT_FOR, MOST_PARTS
from tests.contract.people import ANNA
from tests.contract.web.api_site import ApiSite
from tests.contract.web.page.acting.acting_person import OURS, hidden_in, is_refused, open_form, send_form

PAUSE = "/act/queue/pause"
WHY = '민준: "the bank calls" <b>'
PAGE = {"Accept": "text/html", "Sec-Fetch-Dest": "document"}
OPERATOR = (Scope.OPS_READ, Scope.OPS_WRITE)


def paused(api: ApiSite) -> Pause | None:
    return DrainControl(api.site.database, clock=api.site.clock).read().paused


def new_token(api: ApiSite, *scopes: Scope, name: str = "minjun") -> str:
    return create_token(api.services.database, name, frozenset(scopes or OPERATOR), ANNA)


def sign_in(api: ApiSite, token: str, next_page: str = "/") -> httpx2.Response:
    data = {"token": token, "next": next_page}
    return api.client.post("/login", data=data, headers=OURS, follow_redirects=False)


def send(api: ApiSite, address: str = PAUSE, **typed: str) -> httpx2.Response:
    """The answer itself, also if it leads elsewhere. Without typed fields: as a person who forgot the reason."""
    return api.client.post(address, data=typed, headers={**OURS, **PAGE}, follow_redirects=False)


def cookies_of(answer: httpx2.Response) -> list[str]:
    return [one for one in answer.headers.get_list("Set-Cookie") if one.startswith("breakwall_form")]


def end_of_session(api: ApiSite) -> None:
    end_session(api.services.database, api.client.cookies["breakwall"])


def end_of_token(api: ApiSite) -> None:
    revoke_token(api.services.database, "minjun", ANNA)


@pytest.mark.parametrize("end", [end_of_session, end_of_token])
def test_who_was_signed_out_while_typing_signs_in_and_finds_all_of_it(api: ApiSite, end: object) -> None:
    sign_in(api, new_token(api))
    form = open_form(api, PAUSE)
    end(api)  # type: ignore[operator]
    api.app.state.access.tokens.outdate()
    new_token(api, name="anna")  # Without any token nobody would have to sign in.
    sent = send(api, reason=WHY, lasts="300", **hidden_in(form.text))
    assert is_refused(sent)
    asked = api.client.get(sent.headers["Location"], headers=PAGE, follow_redirects=False)
    to_login = urlsplit(asked.headers["Location"])
    assert (asked.status_code, to_login.path) == (303, "/login")
    signed_in = sign_in(api, new_token(api, name="yuna"), parse_qs(to_login.query)["next"][0])
    again = api.client.get(signed_in.headers["Location"], headers=PAGE)
    assert "Nothing was done: you were not signed in" in again.text
    assert 'value="민준: &#34;the bank calls&#34; &lt;b&gt;"' in again.text
    assert '<option value="300" selected>' in again.text
    assert paused(api) is None  # Signing in does nothing but that.
    done = send_form(api, PAUSE, again.text, reason=WHY, lasts="300")
    assert done.status_code == 303
    kept = paused(api)
    assert kept is not None
    assert (kept.actor, kept.reason) == ("yuna", WHY)


def test_who_has_a_token_for_less_signs_in_with_another_and_finds_all_of_it(api: ApiSite) -> None:
    sign_in(api, new_token(api, Scope.OPS_READ))
    sent = send(api, reason=WHY, lasts="300")
    forbidden = api.client.get(sent.headers["Location"], headers=PAGE)
    assert forbidden.status_code == 403
    link = re.search(r'href="(/login[^"]+)"', forbidden.text)
    assert link is not None
    next_page = parse_qs(urlsplit(link[1]).query)["next"][0]
    signed_in = sign_in(api, new_token(api, name="yuna"), next_page)
    assert "민준" in api.client.get(signed_in.headers["Location"], headers=PAGE).text


def test_the_page_of_a_refused_form_can_be_loaded_again(api: ApiSite) -> None:
    sent = send(api, reason=" ", actor="민준")
    assert sent.status_code == 303
    assert "Set-Cookie" in sent.headers
    first, again = (open_form(api, sent.headers["Location"]) for _ in range(2))
    assert "Please fill this in." in first.text
    assert first.text == again.text


def test_another_server_process_shows_it(api: ApiSite) -> None:
    sent = send(api, actor="민준")
    other = ApiSite(api.site)
    with other.client:
        other.client.cookies = api.client.cookies
        assert 'value="민준"' in open_form(other, sent.headers["Location"]).text


def test_the_cookie_is_strict_short_lived_and_for_this_form_alone(api: ApiSite) -> None:
    [cookie] = cookies_of(send(api, reason=" "))
    assert re.fullmatch(
        rf"breakwall_form0=[0-9a-f]{{16}}\.[\w-]+; HttpOnly; Max-Age={KEPT_FOR}; Path={PAUSE}; SameSite=strict",
        cookie,
        re.ASCII,
    )


def test_a_form_that_is_opened_anew_is_empty(api: ApiSite) -> None:
    send(api, actor="민준")
    assert "민준" not in open_form(api, PAUSE).text
    assert "민준" not in open_form(api, f"{PAUSE}?again={'0' * 16}").text


def test_what_was_done_is_kept_no_longer(api: ApiSite) -> None:
    refused = send(api, actor="민준")
    done = send(api, reason=WHY, actor="민준", lasts="300", **hidden_in(open_form(api, PAUSE).text))
    assert done.headers["Location"] == "/?done=queue_paused"
    assert [one.split(";")[0] for one in cookies_of(done)] == ['breakwall_form0=""']
    assert 'value="민준"' not in open_form(api, refused.headers["Location"]).text


def test_a_longer_form_before_it_leaves_nothing_behind(api: ApiSite) -> None:
    send(api, reason=random_text(2000))
    assert len(api.client.cookies) > 1
    sent = send(api, actor="민준")
    assert 'value="민준"' in open_form(api, sent.headers["Location"]).text


def random_text(length: int) -> str:
    """Hard to compress."""
    drawn = random.Random(7)
    return "".join(chr(drawn.randrange(0x20000, 0x2A000)) for _ in range(length))


def test_the_longest_texts_that_are_taken_can_be_kept(api: ApiSite) -> None:
    long = {"reason": random_text(MAX_REASON), "error": random_text(MAX_REASON)}
    names = {"actor": random_text(MAX_LENGTH), "name": random_text(MAX_LENGTH)}
    sent = send(
        api, "/act/orders/retry-all", step="counted", status="dead", bulk_id="a" * 32, **long, **names
    )
    assert 0 < len(cookies_of(sent)) <= MOST_PARTS
    assert all(len(one.split(";")[0]) < 4096 for one in cookies_of(sent))


def test_a_text_too_long_to_be_kept_is_answered_at_once(api: ApiSite) -> None:
    text = random_text(4_500)
    sent = send(api, reason=text)
    assert (sent.status_code, cookies_of(sent)) == (422, [])
    assert text in sent.text


def packed(text: bytes) -> str:
    return base64.urlsafe_b64encode(zlib.compress(text, 9)).decode()


ID = "a" * 16


@pytest.mark.parametrize(
    "value",
    [
        "",
        "x",
        "AAAA",
        packed(b"x"),
        packed(b"[]"),
        packed(b"[1, null, true]"),
        packed(b'[{"reason": "x"}, ["no", 99, {}], true, null]'),
        packed(b'[{"reason": "x"}, ["no", Infinity, {}], true, null]'),
        packed(b'[{"reason": "x"}, ["no", [409], {}], true, null]'),
        packed(b'[{"reason": "x"}, "no", true, null]'),
        packed(b'[{"reason": "x\\ud800"}, null, true, null]'),
        packed(b'[{"reason": "x"}, ["\\ud800", 409, {}], true, null]'),
        packed(b'[{"reason": "x"}, ["no", 409, {"reason": "\\ud800"}], true, null]'),
        packed(b'[{"reason": "x"}, null, true, "anna"]'),
        packed(b"[" * 30_000),
        packed(b'[{"reason": "' + b"x" * 5_000_000 + b'"}, null, true, null]'),
    ],
    ids=range(16),
)
def test_a_cookie_that_this_server_has_not_made_is_left_out(api: ApiSite, value: str) -> None:
    parts = [value[start : start + 3800] for start in range(0, max(len(value), 1), 3800)]
    cookies = {"Cookie": "; ".join(f"breakwall_form{n}={ID}.{part}" for n, part in enumerate(parts))}
    answer = api.client.get(f"{PAUSE}?again={ID}", headers=cookies)
    assert answer.status_code == 200
    assert "is not kept any more" in answer.text
    assert 'value="x' not in answer.text


def test_what_a_foreign_cookie_says_is_only_text(api: ApiSite) -> None:
    evil = packed(
        b'[{"reason": "\\"><script>alert(1)</script>"}, ["<script>alert(2)</script>", 409, {}], true, null]'
    )
    answer = api.client.get(f"{PAUSE}?again={ID}", headers={"Cookie": f"breakwall_form0={ID}.{evil}"})
    assert "alert(1)" in answer.text
    assert "<script>alert" not in answer.text
    assert paused(api) is None


@pytest.mark.parametrize("origin", ["cross-site", "same-site"])
def test_a_cookie_counts_only_if_a_page_of_this_server_leads_to_it(api: ApiSite, origin: str) -> None:
    """A page of another port of this host can write a cookie for this one, and lead here."""
    sent = send(api, actor="mallory")
    answer = api.client.get(sent.headers["Location"], headers={"Sec-Fetch-Site": origin})
    assert answer.status_code == 200
    assert "mallory" not in answer.text
    assert "mallory" in api.client.get(sent.headers["Location"], headers=OURS).text


def test_the_next_person_at_this_browser_does_not_see_what_another_one_typed(api: ApiSite) -> None:
    sign_in(api, new_token(api))
    sent = send(api, reason="민준", seen="another")
    sign_in(api, new_token(api, name="yuna"))
    answer = open_form(api, sent.headers["Location"])
    assert "민준" not in answer.text
    assert "is not kept any more" in answer.text


def test_without_cookies_a_refused_form_is_not_taken_for_one_that_was_not_sent(api: ApiSite) -> None:
    sent = send(api, actor="민준")
    api.client.cookies.clear()
    assert "is not kept any more" in open_form(api, sent.headers["Location"]).text
    assert "is not kept any more" not in open_form(api, PAUSE).text


@pytest.mark.parametrize("name", ["breakwall_form[0]", "breakwall_form/x", "breakwall_form9"])
def test_a_strange_cookie_does_not_make_what_was_done_look_like_a_failure(api: ApiSite, name: str) -> None:
    given = {"reason": WHY, "actor": "민준", **hidden_in(open_form(api, PAUSE).text)}
    done = api.client.post(PAUSE, data=given, headers={**OURS, "Cookie": f"{name}=x"}, follow_redirects=False)
    assert (done.status_code, done.headers["Location"]) == (303, "/?done=queue_paused")
    assert cookies_of(done) == []


def test_another_site_can_have_nothing_kept(api: ApiSite) -> None:
    answer = api.client.post(
        PAUSE, data={"actor": "mallory"}, headers={"Sec-Fetch-Site": "cross-site"}, follow_redirects=False
    )
    assert (answer.status_code, cookies_of(answer)) == (403, [])


def test_a_program_is_told_at_once(api: ApiSite) -> None:
    new_token(api)
    headers = {"Authorization": "Bearer bw_wrong"}
    assert api.client.post(PAUSE, data={}, headers=headers, follow_redirects=False).status_code == 401
