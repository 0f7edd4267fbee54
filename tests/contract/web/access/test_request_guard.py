"""Requests that another site's page makes a browser send."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from breakwall.payments.db.database import Database
from tests.contract.web.access.protected_app import READ, WRITE, ProtectedApp, bearer
from tests.shown_secrets import everything_logged

pytestmark = pytest.mark.one_database

OWN = "http://127.0.0.1:8080"


def status(api: ProtectedApp, host: str) -> int:
    return api.client.get("/v1/read", headers={"Host": host}).status_code


@pytest.mark.parametrize("host", ["127.0.0.1:8080", "127.0.0.1", "localhost:8080", "LOCALHOST", "[::1]:8080"])
def test_loopback_is_this_server(api: ProtectedApp, host: str) -> None:
    assert status(api, host) == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8080",
        "localhost.evil.example",
        "10.0.0.7",
        "127.0.0.1@evil.example",
        "",
        "a b",
    ],
)
def test_another_host_is_refused(api: ProtectedApp, host: str) -> None:
    answer = api.client.get("/v1/read", headers={"Host": host})
    assert answer.status_code == 421
    assert answer.json()["type"] == "/problems/foreign-host"


def test_another_host_is_refused_also_with_a_token(api: ProtectedApp) -> None:
    token = api.new_token()
    answer = api.client.get("/v1/read", headers={"Host": "evil.example", **bearer(token)})
    assert answer.status_code == 421


def test_two_hosts_are_refused(api: ProtectedApp) -> None:
    headers = [(b"Host", b"127.0.0.1"), (b"Host", b"evil.example")]
    assert api.client.get("/v1/read", headers=headers).status_code == 421


def test_names_of_the_setting_are_this_server(database: Database) -> None:
    api = ProtectedApp(database, api={"hosts": "shop.example, api"})
    assert [status(api, host) for host in ("shop.example", "API:8080", "a.shop.example")] == [200, 200, 421]


def test_the_bound_address_is_this_server(database: Database) -> None:
    api = ProtectedApp(database, "10.0.0.7")
    token = api.new_token()
    codes = [
        api.client.get("/v1/read", headers={"Host": host, **bearer(token)}).status_code
        for host in ("10.0.0.7:8080", "10.0.0.8:8080")
    ]
    assert codes == [200, 421]


def test_a_server_at_every_address_takes_addresses_but_no_names(database: Database) -> None:
    api = ProtectedApp(database, "0.0.0.0")
    token = api.new_token()
    codes = [
        api.client.get("/v1/read", headers={"Host": host, **bearer(token)}).status_code
        for host in ("10.0.0.8:8080", "[fd00::7]:8080", "evil.example")
    ]
    assert codes == [200, 200, 421]


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "cross-site", "Origin": OWN},
        {"Origin": "https://evil.example"},
        {"Origin": "http://127.0.0.1:8081"},
        {"Origin": "null"},
        {"Origin": "http://["},
        {"Origin": ""},
    ],
)
def test_another_sites_page_cannot_act_even_where_no_token_is_needed(
    api: ProtectedApp, headers: dict[str, str]
) -> None:
    answer = api.client.post("/v1/write", headers=headers)
    assert answer.status_code == 403
    assert answer.json()["type"] == "/problems/cross-site"


@pytest.mark.parametrize(
    "headers", [{"Sec-Fetch-Site": "same-origin"}, {"Sec-Fetch-Site": "none"}, {"Origin": OWN}, {}]
)
def test_our_own_page_and_a_program_can_act(api: ProtectedApp, headers: dict[str, str]) -> None:
    assert api.client.post("/v1/write", headers=headers).status_code == 200


def test_another_sites_page_cannot_use_the_browsers_session(api: ProtectedApp) -> None:
    browser = api.client_at(OWN)
    api.sign_in(browser, api.new_token(READ, WRITE))
    assert browser.post("/page", headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
    assert browser.post("/page", headers={"Origin": "https://evil.example"}).status_code == 403
    assert browser.post("/page", headers={"Sec-Fetch-Site": "same-origin"}).status_code == 200


def test_a_cookie_without_any_sign_of_a_browser_is_refused(api: ProtectedApp) -> None:
    browser = api.client_at(OWN)
    api.sign_in(browser, api.new_token(READ, WRITE))
    assert browser.post("/page").status_code == 403


def test_another_sites_page_cannot_sign_a_browser_in_or_out(api: ProtectedApp) -> None:
    token = api.new_token()
    foreign = {"Sec-Fetch-Site": "cross-site"}
    assert api.client.post("/login", data={"token": token}, headers=foreign).status_code == 403
    assert api.client.post("/logout", headers=foreign).status_code == 403


def test_a_token_in_the_header_needs_no_sign_of_origin(api: ProtectedApp) -> None:
    token = api.new_token(WRITE)
    headers = {"Sec-Fetch-Site": "cross-site", **bearer(token)}
    assert api.client.post("/v1/write", headers=headers).status_code == 200


def test_reading_is_open_to_links_from_elsewhere(api: ProtectedApp) -> None:
    assert api.client.get("/page", headers={"Sec-Fetch-Site": "cross-site"}).status_code == 200


@pytest.mark.parametrize(
    "kind",
    ["application/x-www-form-urlencoded", "multipart/form-data; boundary=a", "Text/Plain;charset=utf-8"],
)
def test_a_json_route_takes_no_form(api: ProtectedApp, kind: str) -> None:
    answer = api.client.post("/v1/write", content="a=1", headers={"Content-Type": kind})
    assert answer.status_code == 415
    assert (
        api.client.post("/v1/hooks/payment", content="a=1", headers={"Content-Type": kind}).status_code == 200
    )
    assert api.client.post("/page", content="a=1", headers={"Content-Type": kind}).status_code == 200


@given(
    name=st.sampled_from(
        ["host", "origin", "sec-fetch-site", "content-type", "cookie", "accept", "hx-request"]
    ),
    value=st.binary(max_size=60),
    method=st.sampled_from(["GET", "POST", "PUT", "DELETE", "OPTIONS", "TRACE"]),
)
@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_header_makes_a_traceback(api: ProtectedApp, name: str, value: bytes, method: str) -> None:
    with everything_logged() as log:
        answer = api.client.request(method, "/page", headers=[(name.encode(), value)])
    assert answer.status_code < 500
    assert "Traceback" not in log.getvalue()
