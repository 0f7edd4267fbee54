"""A browser signs in with a token, without JavaScript."""

from __future__ import annotations

import re

import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from breakwall.access.sessions import LIFE
from breakwall.access.shared_read import REREAD
from breakwall.access.tokens import digest_of, new_token
from breakwall.payments.db.database import Database, DatabaseUnavailableError
from breakwall.payments.operator.audit_entries import list_audit
from tests.contract.web.access.protected_app import READ, WRITE, ProtectedApp
from tests.shown_secrets import everything_logged

OURS = {"Sec-Fetch-Site": "same-origin"}
PAGE = {"Accept": "text/html,*/*", "Sec-Fetch-Dest": "document"}


@pytest.fixture
def browser(api: ProtectedApp) -> TestClient:
    return api.client_at("http://127.0.0.1:8080")


def test_a_browser_with_a_session_is_the_holder_of_the_token(api: ProtectedApp, browser: TestClient) -> None:
    answer = api.sign_in(browser, api.new_token(READ))
    assert (answer.status_code, answer.headers["Location"]) == (303, "/")
    assert browser.get("/v1/read").json()["name"] == "anna"
    assert browser.post("/page", headers=OURS).status_code == 403


def test_the_cookie_is_strict_and_out_of_reach_for_scripts(api: ProtectedApp, browser: TestClient) -> None:
    token = api.new_token()
    cookie = api.sign_in(browser, token).headers["Set-Cookie"]
    assert re.fullmatch(
        r"breakwall=[\w-]{43}; HttpOnly; Max-Age=43200; Path=/; SameSite=strict", cookie, re.ASCII
    )
    assert token not in cookie


def test_with_tls_the_cookie_is_for_this_host_alone(api: ProtectedApp) -> None:
    browser = api.client_at("https://127.0.0.1:8443")
    cookie = api.sign_in(browser, api.new_token()).headers["Set-Cookie"]
    assert cookie.startswith("__Host-breakwall=")
    assert "; Secure" in cookie
    assert browser.get("/v1/read").status_code == 200


@pytest.mark.parametrize(("came_from", "name"), [("10.0.0.2", "__Host-breakwall"), ("10.0.0.3", "breakwall")])
def test_a_proxy_that_is_trusted_says_that_there_is_tls(
    database: Database, came_from: str, name: str
) -> None:
    api = ProtectedApp(database, "0.0.0.0", api={"hosts": "shop.example", "proxies": "10.0.0.2"})
    browser = api.client_at("http://shop.example", came_from)
    headers = {"X-Forwarded-Proto": "https", "Origin": "https://shop.example"}
    cookie = browser.post("/login", data={"token": api.new_token()}, headers=headers).headers["Set-Cookie"]
    assert cookie.startswith(f"{name}=")
    assert ("; Secure" in cookie) == name.startswith("__Host-")


def test_a_session_dies_with_its_token(api: ProtectedApp, browser: TestClient) -> None:
    api.sign_in(browser, api.new_token())
    api.revoke()
    api.advance(REREAD)
    assert browser.get("/v1/read").status_code == 401


def test_a_session_ends_after_half_a_day(api: ProtectedApp, browser: TestClient) -> None:
    api.sign_in(browser, api.new_token())
    api.advance(LIFE)
    assert browser.get("/v1/read").status_code == 401


def test_signing_out_ends_the_session_wherever_the_cookie_is(api: ProtectedApp, browser: TestClient) -> None:
    api.sign_in(browser, api.new_token())
    [copy] = browser.cookies.jar
    answer = browser.post("/logout", headers=OURS)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/login")
    assert browser.get("/v1/read").status_code == 401
    stolen = {"Cookie": f"{copy.name}={copy.value}"}
    assert api.client.get("/v1/read", headers=stolen).status_code == 401


def audit(api: ProtectedApp) -> list[tuple[str, str, str | None]]:
    entries = api.database.read(lambda connection: list_audit(connection, limit=10))
    return [(one.action, one.actor, one.result) for one in entries]


def test_signing_in_is_in_the_audit_trail_and_a_wrong_token_is_not(
    api: ProtectedApp, browser: TestClient
) -> None:
    api.sign_in(browser, api.new_token(name="anna"))
    api.sign_in(browser, new_token())
    assert audit(api) == [("token_sign_in", "anna", "done")]


@pytest.mark.parametrize("cookie", ["x" * 43, "x", "'; drop table"])
def test_signing_out_with_a_made_up_cookie_writes_nothing(
    api: ProtectedApp, browser: TestClient, monkeypatch: pytest.MonkeyPatch, cookie: str
) -> None:
    api.new_token()
    written: list[object] = []
    monkeypatch.setattr(api.database, "write", lambda work, **_: written.append(work))
    answer = browser.post("/logout", headers={"Cookie": f"breakwall={cookie}", **OURS})
    assert answer.status_code == 303
    assert written == []


def test_a_wrong_token_shows_the_form_again_and_does_not_repeat_it(
    api: ProtectedApp, browser: TestClient
) -> None:
    api.new_token()
    wrong = new_token()
    with everything_logged() as log:
        answer = api.sign_in(browser, wrong)
    assert answer.status_code == 401
    assert "The token is not valid." in answer.text
    assert wrong not in answer.text + log.getvalue()
    assert "Set-Cookie" not in answer.headers


def test_many_wrong_tokens_have_to_wait_here_too(api: ProtectedApp, browser: TestClient) -> None:
    token = api.new_token()
    assert [api.sign_in(browser, "x").status_code for _ in range(11)][-1] == 429
    assert api.sign_in(browser, token).status_code == 303


def test_a_page_leads_to_the_form_and_back(api: ProtectedApp, browser: TestClient) -> None:
    token = api.new_token()
    form = browser.get("/page?state=dead&page=2", headers=PAGE)
    assert form.status_code == 303
    html = browser.get(form.headers["Location"]).text
    [back] = re.findall('name="next" value="(.*?)"', html)
    assert back == "/page?state=dead&amp;page=2"
    answer = browser.post("/login", data={"token": token, "next": "/page?state=dead&page=2"}, headers=OURS)
    assert answer.headers["Location"] == "/page?state=dead&page=2"


@pytest.mark.parametrize(
    "headers", [{"Accept": "text/event-stream"}, {"Accept": "text/html", "HX-Request": "true"}, {}]
)
def test_only_a_page_leads_to_the_form(api: ProtectedApp, headers: dict[str, str]) -> None:
    api.new_token()
    assert api.client.get("/page", headers=headers).status_code == 401


@pytest.mark.parametrize(
    "elsewhere",
    [
        "//evil.example",
        "/\\evil.example",
        "https://evil.example",
        "\\\\evil.example",
        "javascript:1",
        "/\t/evil",
        "",
    ],
)
def test_the_form_leads_to_no_other_server(api: ProtectedApp, elsewhere: str) -> None:
    token = api.new_token()
    answer = api.client.post("/login", data={"token": token, "next": elsewhere}, headers=OURS)
    assert answer.headers["Location"] == "/"


def test_the_form_is_complete_without_script_and_style(api: ProtectedApp, browser: TestClient) -> None:
    api.new_token()
    html = browser.get("/login").text
    assert re.search('<label for="token">.*<input id="token"', html, re.DOTALL)
    assert '<html lang="en">' in html
    assert "<title>" in html
    assert not re.search(r"<script|<style|style=|onclick|https?://", html)


def test_the_form_is_in_the_language_of_the_browser_and_leads_back(
    api: ProtectedApp, browser: TestClient
) -> None:
    api.new_token()
    html = browser.get("/login?next=/orders", headers={"Accept-Language": "ko"}).text
    assert '<html lang="ko">' in html
    assert "로그인" in html
    assert 'href="/login?next=%2Forders&amp;lang=en"' in html
    wrong = browser.post("/login", data={"token": "x"}, headers={"Accept-Language": "ko", **OURS})
    assert "토큰이 유효하지 않습니다." in wrong.text


def test_while_nobody_knows_whether_a_token_is_needed_the_form_says_so(
    api: ProtectedApp, browser: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise DatabaseUnavailableError("it is down")

    monkeypatch.setattr(api.database, "read", fail)
    answer = browser.get("/login")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")
    assert "does not answer" in answer.text


def test_only_who_has_signed_in_can_sign_out(api: ProtectedApp, browser: TestClient) -> None:
    button = '<form method="post" action="/logout">'
    token = api.new_token()
    assert button not in browser.get("/login").text
    api.sign_in(browser, token)
    assert button in browser.get("/login").text


def test_the_form_says_where_no_token_is_needed(api: ProtectedApp) -> None:
    html = api.client.get("/login").text
    assert "needs no token" in html
    assert "<form" not in html


def test_while_the_database_is_down_the_form_says_so(
    api: ProtectedApp, browser: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = api.new_token()
    browser.get("/login")

    def fail(*_: object, **__: object) -> None:
        raise DatabaseUnavailableError("it is down")

    monkeypatch.setattr(api.database, "write", fail)
    answer = api.sign_in(browser, token)
    assert answer.status_code == 503
    assert "does not answer" in answer.text


def test_the_session_of_a_configured_token_is_as_good_as_the_token(database: Database) -> None:
    token = new_token()
    entry = f"anna:ops:read+ops:write:{digest_of(token)}"
    with_entry, without = ProtectedApp(database, api_tokens=entry), ProtectedApp(database, "0.0.0.0")
    browser = with_entry.client_at("http://127.0.0.1:8080")
    with_entry.sign_in(browser, token)
    assert browser.post("/page", headers=OURS).status_code == 200
    [cookie] = browser.cookies.jar
    stolen = {"Cookie": f"{cookie.name}={cookie.value}"}
    assert without.client.get("/v1/read", headers=stolen).status_code == 401


@pytest.mark.one_database
@given(
    body=st.one_of(
        st.binary(max_size=100),
        st.text(max_size=60).map(lambda text: b"token=" + text.encode("utf-8", "surrogatepass")),
    ),
    kind=st.sampled_from(
        [
            "application/x-www-form-urlencoded",
            "multipart/form-data",
            "multipart/form-data; boundary=a",
            "text/plain",
            "",
        ]
    ),
    cookie=st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters=";,"), max_size=60),
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_body_and_no_cookie_makes_a_traceback(
    api: ProtectedApp, body: bytes, kind: str, cookie: str
) -> None:
    if not api.seconds:
        api.new_token(WRITE)
    api.advance(60.0)
    headers = {"Content-Type": kind, "Cookie": f"breakwall={cookie}", **OURS}
    with everything_logged() as log:
        codes = {
            api.client.post("/login", content=body, headers=headers).status_code,
            api.client.get("/v1/read", headers=headers).status_code,
        }
    assert codes <= {400, 401}
    assert "Traceback" not in log.getvalue()
