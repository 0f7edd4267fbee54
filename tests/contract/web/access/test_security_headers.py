from __future__ import annotations

import pytest

from breakwall.web.access.security_headers import HEADERS
from tests.contract.web.access.protected_app import ProtectedApp

pytestmark = pytest.mark.one_database


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v1/read", 200),
        ("/login", 200),
        ("/stream", 200),
        ("/missing", 404),
        ("/crash", 500),
        ("/static/style.css", 200),
    ],
)
def test_every_answer_has_them(api: ProtectedApp, path: str, status: int) -> None:
    answer = api.client.get(path)
    assert answer.status_code == status
    assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS


def test_also_an_answer_to_a_foreign_request(api: ProtectedApp) -> None:
    answer = api.client.get("/v1/read", headers={"Host": "evil.example"})
    assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]


def test_the_policy_allows_no_script_inside_a_page(api: ProtectedApp) -> None:
    policy = api.client.get("/login").headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'; ")
    assert "unsafe" not in policy


def test_only_static_files_may_be_kept(api: ProtectedApp) -> None:
    assert api.client.get("/v1/read").headers["Cache-Control"] == "no-store"
    assert api.client.get("/login").headers["Cache-Control"] == "no-store"
    assert "Cache-Control" not in api.client.get("/static/style.css").headers
