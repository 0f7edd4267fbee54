"""Bearer tokens: who is let in, who is not, and what a refused one hears."""

from __future__ import annotations

import secrets

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from breakwall.access.shared_read import FAILURE_PAUSE, REREAD
from breakwall.access.tokens import digest_of, new_token
from breakwall.payments.db.database import Database, DatabaseUnavailableError
from breakwall.web.access.failed_tries import MOST_FROM_ONE, WINDOW
from tests.contract.web.access.protected_app import READ, WRITE, ProtectedApp, bearer
from tests.shown_secrets import everything_logged


def is_down(api: ProtectedApp, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise DatabaseUnavailableError("it is down")

    monkeypatch.setattr(api.database, "read", fail)
    monkeypatch.setattr(api.database, "write", fail)


def test_without_any_token_loopback_is_open(api: ProtectedApp) -> None:
    answer = api.client.get("/v1/read")
    assert answer.json() == {"name": None, "actor": "given"}
    assert api.client.post("/v1/write").status_code == 200


def test_another_address_is_never_open(database: Database) -> None:
    api = ProtectedApp(database, "0.0.0.0")
    assert api.client.get("/v1/read").status_code == 401


def test_from_the_first_token_on_one_is_needed(api: ProtectedApp) -> None:
    assert api.client.get("/v1/read").status_code == 200
    api.new_token()
    api.advance(REREAD)
    assert api.client.get("/v1/read").status_code == 401


def test_a_request_without_a_token_hears_what_is_needed(api: ProtectedApp) -> None:
    api.new_token()
    answer = api.client.get("/v1/read")
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["type"] == "/problems/unauthenticated"


def test_a_token_is_let_in_and_names_the_actor(api: ProtectedApp) -> None:
    token = api.new_token(READ)
    assert api.client.get("/v1/read", headers=bearer(token)).json() == {"name": "anna", "actor": "anna"}
    assert api.client.get("/required", headers=bearer(token)).json() == "anna"


def test_the_name_of_the_scheme_has_no_case(api: ProtectedApp) -> None:
    token = api.new_token(READ)
    assert api.client.get("/v1/read", headers={"Authorization": f"bearer  {token}"}).status_code == 200


def test_a_missing_scope_is_named(api: ProtectedApp) -> None:
    token = api.new_token(READ)
    answer = api.client.post("/v1/write", headers=bearer(token))
    assert answer.status_code == 403
    assert answer.json()["scopes"] == ["ops:write"]
    assert 'scope="ops:write"' in answer.headers["WWW-Authenticate"]


def test_one_of_several_scopes_is_enough(api: ProtectedApp) -> None:
    token = api.new_token(WRITE)
    assert api.client.get("/v1/either", headers=bearer(token)).status_code == 200


def test_unknown_expired_and_revoked_tokens_get_the_same_answer(api: ProtectedApp) -> None:
    expired = api.new_token(name="expired", lasting=60.0)
    revoked = api.new_token(name="revoked")
    api.revoke("revoked")
    api.advance(60.0)
    answers = [
        api.client.get("/v1/read", headers=bearer(token)) for token in (expired, revoked, new_token(), "x")
    ]
    assert {answer.status_code for answer in answers} == {401}
    assert len({answer.text for answer in answers}) == 1


def test_a_revoked_token_is_refused_within_seconds(api: ProtectedApp) -> None:
    token = api.new_token()
    assert api.client.get("/v1/read", headers=bearer(token)).status_code == 200
    api.revoke()
    api.advance(REREAD)
    assert api.client.get("/v1/read", headers=bearer(token)).status_code == 401


def test_a_new_token_works_at_once(api: ProtectedApp) -> None:
    first = api.new_token(name="first")
    assert api.client.get("/v1/read", headers=bearer(first)).status_code == 200
    second = api.new_token(name="second")
    api.advance(0.01)
    assert api.client.get("/v1/read", headers=bearer(second)).status_code == 200


def test_a_configured_token_works_while_the_database_is_down(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = new_token()
    api = ProtectedApp(database, api_tokens=f"shop:ops:read:{digest_of(token)}")
    is_down(api, monkeypatch)
    assert api.client.get("/v1/read", headers=bearer(token)).json()["name"] == "shop"
    assert api.client.get("/v1/read").status_code == 401


def test_a_token_that_cannot_be_checked_is_neither_valid_nor_wrong(
    api: ProtectedApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = api.new_token()
    is_down(api, monkeypatch)
    for headers in (bearer(token), bearer(new_token()), {}):
        answer = api.client.get("/v1/read", headers=headers)
        assert answer.status_code == 503
        assert int(answer.headers["Retry-After"]) > 0


def test_a_token_in_use_works_while_the_database_is_down(
    api: ProtectedApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = api.new_token()
    assert api.client.get("/v1/read", headers=bearer(token)).status_code == 200
    is_down(api, monkeypatch)
    api.advance(REREAD)
    assert api.client.get("/v1/read", headers=bearer(token)).status_code == 200


def test_many_wrong_tokens_have_to_wait(api: ProtectedApp) -> None:
    api.new_token()
    codes = [api.client.get("/v1/read", headers=bearer(new_token())).status_code for _ in range(12)]
    assert codes == [401] * MOST_FROM_ONE + [429, 429]
    answer = api.client.get("/v1/read", headers=bearer(new_token()))
    assert int(answer.headers["Retry-After"]) == WINDOW
    api.advance(WINDOW)
    assert api.client.get("/v1/read", headers=bearer(new_token())).status_code == 401


def test_wrong_tokens_of_others_do_not_lock_out_a_valid_one(api: ProtectedApp) -> None:
    token = api.new_token()
    for _ in range(MOST_FROM_ONE + 1):
        api.client.get("/v1/read", headers=bearer(new_token()))
    assert api.client.get("/v1/read", headers=bearer(token)).status_code == 200
    api.advance(REREAD)
    assert api.client.get("/v1/read", headers=bearer(token)).status_code == 200


def test_wrong_tokens_beyond_the_limit_cost_no_read(
    api: ProtectedApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    api.new_token()
    for _ in range(MOST_FROM_ONE):
        api.client.get("/v1/read", headers=bearer(new_token()))
    is_down(api, monkeypatch)  # So that a read would be seen.
    assert api.client.get("/v1/read", headers=bearer(new_token())).status_code == 429


def test_a_refused_token_is_not_logged_but_its_address_is(api: ProtectedApp) -> None:
    api.new_token()
    wrong = new_token()
    with everything_logged() as log:
        api.client_at("http://127.0.0.1:8080", "10.0.0.7").get("/v1/read", headers=bearer(wrong))
    assert "10.0.0.7" in log.getvalue()
    assert wrong not in log.getvalue()
    assert wrong.removeprefix("bw_")[:12] not in log.getvalue()
    assert digest_of(wrong)[:12] not in log.getvalue()


@pytest.mark.one_database
@given(
    header=st.one_of(
        st.text(st.characters(max_codepoint=255, exclude_characters="\r\n\x00"), max_size=80),
        st.text(max_size=40).map(lambda text: f"Bearer {text}"),
        st.binary(max_size=80),
    )
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_header_makes_a_traceback_or_is_repeated(api: ProtectedApp, header: str | bytes) -> None:
    if not api.seconds:
        api.new_token()
    api.advance(WINDOW)
    raw = header if isinstance(header, bytes) else header.encode("utf-8", "surrogatepass")
    with everything_logged() as log:
        answer = api.client.get("/v1/read", headers=[(b"authorization", raw)])
    assert answer.status_code == 401
    assert answer.json()["detail"] in {"The token is not valid.", "This needs a token."}
    assert "Traceback" not in log.getvalue()
    if len(text := raw.decode("latin-1").strip()) > 12:
        assert text not in answer.text + log.getvalue()


def test_an_open_server_warns_of_that_once(api: ProtectedApp, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(3):
        api.client.get("/v1/read")
    [warning] = warnings_of(caplog)
    assert "breakwall token create" in warning


def warnings_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [message for message in caplog.messages if "everybody" in message]


def test_an_open_server_warns_of_that_before_the_first_request(
    api: ProtectedApp, caplog: pytest.LogCaptureFixture
) -> None:
    api.app.state.access.warn_if_open()
    assert len(warnings_of(caplog)) == 1
    api.client.get("/v1/read")
    assert len(warnings_of(caplog)) == 1


def test_a_server_that_needs_tokens_warns_of_nothing(
    api: ProtectedApp, caplog: pytest.LogCaptureFixture
) -> None:
    api.new_token()
    api.app.state.access.warn_if_open()
    assert warnings_of(caplog) == []


def test_a_server_that_cannot_know_whether_it_is_open_warns_at_the_first_request(
    api: ProtectedApp, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as down:
        is_down(api, down)
        api.app.state.access.warn_if_open()
    assert warnings_of(caplog) == []
    api.advance(FAILURE_PAUSE)
    api.client.get("/v1/read")
    assert len(warnings_of(caplog)) == 1


FORWARDING = ["Forwarded", "Via", "X-Real-IP", "X-Forwarded-For", "X-Forwarded-Proto", "x-forwarded-host"]


@pytest.mark.parametrize("header", FORWARDING)
def test_without_any_token_a_forwarded_request_is_refused(api: ProtectedApp, header: str) -> None:
    answer = api.client.get("/v1/read", headers={header: "10.0.0.7"})
    assert answer.status_code == 403
    assert answer.json()["type"] == "/problems/forwarded"
    assert "breakwall token create" in answer.json()["detail"]
    # And so once more, when whether a token is needed is known.
    assert api.client.post("/v1/write", headers={header: "10.0.0.7"}).status_code == 403


@pytest.mark.parametrize("header", FORWARDING)
def test_a_forwarded_request_with_a_token_is_let_in(api: ProtectedApp, header: str) -> None:
    token = api.new_token()
    headers = {header: "10.0.0.7", **bearer(token)}
    assert api.client.get("/v1/read", headers=headers).status_code == 200


def made_up() -> dict[str, str]:
    return {"Cookie": f"breakwall={secrets.token_urlsafe(32)}"}


def count_reads(api: ProtectedApp, monkeypatch: pytest.MonkeyPatch) -> list[object]:
    reads: list[object] = []
    read = api.database.read
    monkeypatch.setattr(api.database, "read", lambda work: (reads.append(work), read(work))[1])
    return reads


def test_made_up_cookies_cost_no_read_once_there_were_many(
    api: ProtectedApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    api.new_token()
    for _ in range(MOST_FROM_ONE):
        assert api.client.get("/v1/read", headers=made_up()).status_code == 401
        api.advance(0.01)
    reads = count_reads(api, monkeypatch)
    assert [api.client.get("/v1/read", headers=made_up()).status_code for _ in range(20)] == [401] * 20
    assert reads == []
    assert api.client.get("/v1/read", headers=bearer(new_token())).status_code == 429


def test_what_is_no_cookie_of_ours_costs_no_read(api: ProtectedApp, monkeypatch: pytest.MonkeyPatch) -> None:
    api.new_token()
    assert api.client.get("/v1/read").status_code == 401
    reads = count_reads(api, monkeypatch)
    api.advance(0.01)
    for cookie in ("x", "x" * 44, "x" * 42 + "%"):
        answer = api.client.get("/v1/read", headers={"Cookie": f"breakwall={cookie}"})
        assert answer.status_code == 401
    assert reads == []


def test_where_no_token_is_needed_a_cookie_is_not_looked_up(
    api: ProtectedApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert api.client.get("/v1/read").status_code == 200
    reads = count_reads(api, monkeypatch)
    assert [api.client.get("/v1/read", headers=made_up()).status_code for _ in range(20)] == [200] * 20
    assert reads == []


PROXY = "172.18.0.2"


@pytest.fixture
def behind_a_proxy(database: Database) -> ProtectedApp:
    return ProtectedApp(database, "0.0.0.0", api={"hosts": "shop.example", "proxies": "172.18.0.0/16"})


def tries(api: ProtectedApp, came_from: str, says: str) -> int:
    client = api.client_at("http://shop.example", came_from)
    headers = {"X-Forwarded-For": says, **bearer(new_token())}
    return client.get("/v1/read", headers=headers).status_code


def test_behind_a_trusted_proxy_each_caller_has_tries_of_its_own(behind_a_proxy: ProtectedApp) -> None:
    codes = [tries(behind_a_proxy, PROXY, "203.0.113.1") for _ in range(MOST_FROM_ONE + 1)]
    assert codes == [401] * MOST_FROM_ONE + [429]
    assert tries(behind_a_proxy, PROXY, "203.0.113.2") == 401
    # What the caller itself has sent stands before what the proxy has seen.
    assert tries(behind_a_proxy, PROXY, "198.51.100.7, 203.0.113.1") == 429


def test_nobody_else_can_say_who_calls(behind_a_proxy: ProtectedApp) -> None:
    codes = [tries(behind_a_proxy, "203.0.113.1", f"198.51.100.{number}") for number in range(11)]
    assert codes == [401] * MOST_FROM_ONE + [429]


def test_a_proxy_that_is_not_named_is_not_trusted(database: Database) -> None:
    api = ProtectedApp(database, "0.0.0.0", api={"hosts": "shop.example"})
    assert [tries(api, PROXY, f"203.0.113.{number}") for number in range(11)][-1] == 429


def test_what_a_proxy_calls_an_address_is_logged_only_if_it_is_one(behind_a_proxy: ProtectedApp) -> None:
    with everything_logged() as log:
        tries(behind_a_proxy, PROXY, "<script>")
        tries(behind_a_proxy, PROXY, "203.0.113.9")
    assert "script" not in log.getvalue()
    assert "203.0.113.9" in log.getvalue()
