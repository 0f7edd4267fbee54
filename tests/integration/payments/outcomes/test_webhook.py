"""The webhook against real receivers: a shop's application, and endpoints that misbehave."""

from __future__ import annotations

import base64
import logging
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI, Request
from standardwebhooks import Webhook

from breakwall.payments.outcomes.webhook import WebhookDestination
from breakwall.webhook_secrets import parse_secrets
from tests.application_server import serving
from tests.integration.payments.outcomes.receivers import (
    Behaviour,
    answer,
    drip,
    garbage,
    hang,
    receiving,
    reset,
)
from tests.integration.tls_fixtures import TlsFront, make_certificate
from tests.unit.payments.outcomes.test_event import EVENT
from tests.waiting import wait_until

SECRET = "whsec_" + base64.b64encode(b"s" * 32).decode()
OLD_SECRET = "whsec_" + base64.b64encode(b"o" * 32).decode()


def destination(url: str, **options: Any) -> WebhookDestination:
    return WebhookDestination(
        url, lambda: parse_secrets(f"{SECRET} {OLD_SECRET}"), **{"allow_private": True, **options}
    )


def soon(seconds: float = 60.0) -> float:
    return time.monotonic() + seconds


class Inbox:
    """A shop's endpoint as its developer writes it, with the package `standardwebhooks`."""

    def __init__(self) -> None:
        self.events: list[Any] = []
        self.requests: list[Request] = []
        self.application = FastAPI()
        self.application.post("/hook")(self.take)

    async def take(self, request: Request) -> dict[str, bool]:
        self.requests.append(request)
        self.events.append(Webhook(SECRET).verify(await request.body(), dict(request.headers)))
        return {"ok": True}


def test_a_shop_verifies_what_it_gets() -> None:
    inbox = Inbox()
    with serving(inbox.application) as address:
        assert destination(f"{address}/hook").deliver(EVENT, deadline=soon()).delivered
    assert inbox.events == [EVENT.document]
    assert inbox.requests[0].headers["webhook-id"] == EVENT.id


def test_while_secrets_rotate_the_old_one_verifies_too() -> None:
    heard: list[Any] = []
    application = FastAPI()

    @application.post("/hook")
    async def take(request: Request) -> None:
        heard.append(Webhook(OLD_SECRET).verify(await request.body(), dict(request.headers)))

    with serving(application) as address:
        assert destination(f"{address}/hook").deliver(EVENT, deadline=soon()).delivered
    assert heard == [EVENT.document]


def test_a_path_a_query_and_a_user_in_the_url_are_sent_and_no_proxy_is_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    inbox = Inbox()
    with serving(inbox.application) as address:
        url = address.replace("http://", "http://shop:pass%40word@") + "/hook?token=1%2F2"
        assert destination(url).deliver(EVENT, deadline=soon()).delivered
    [request] = inbox.requests
    assert request.url.query == "token=1%2F2"
    assert request.headers["authorization"] == "Basic " + base64.b64encode(b"shop:pass@word").decode()


def test_a_shop_under_gunicorn_takes_events_on_kept_and_on_closed_connections(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(
        "def application(environ, start):\n"
        "    environ['wsgi.input'].read()\n"
        "    start('204 No Content', [])\n"
        "    return []\n"
    )
    command = [
        sys.executable,
        "-m",
        "gunicorn",
        "--bind",
        "127.0.0.1:0",
        "--keep-alive",
        "1",
        "shop:application",
    ]
    with (tmp_path / "log").open("wb") as log:
        server = subprocess.Popen([*command, "-k", "gthread"], cwd=tmp_path, stderr=log, stdout=log)
    try:
        wait_until(lambda: "Listening at: http" in (tmp_path / "log").read_text(), 60)
        address = (tmp_path / "log").read_text().split("Listening at: ")[1].split()[0]
        shop = destination(address)
        assert all(shop.deliver(EVENT, deadline=soon()).delivered for _ in range(20))
    finally:
        server.terminate()
        server.wait(60)


@pytest.mark.parametrize(
    ("behaviour", "error"),
    [
        (answer("500 Oops"), "HTTP 500"),
        (answer("404 Not Found"), "HTTP 404"),
        (
            answer("302 Found\r\nLocation: http://127.0.0.1:9/elsewhere"),
            "HTTP 302 (a redirect, which is not followed)",
        ),
        (answer("410 Gone"), "HTTP 410"),
        (reset, "the connection broke before the answer"),
        (garbage, "its answer is no HTTP"),
    ],
)
def test_a_failure_is_named_and_repeated_by_nobody(behaviour: Behaviour, error: str) -> None:
    with receiving(behaviour) as receiver:
        assert destination(receiver.url).deliver(EVENT, deadline=soon()).error == error
        assert receiver.connections == 1


@pytest.mark.parametrize("behaviour", [hang, drip])
def test_a_slow_answer_ends_at_the_total_deadline(behaviour: Behaviour) -> None:
    with receiving(behaviour) as receiver:
        assert destination(receiver.url).deliver(EVENT, deadline=soon(0.5)).error == (
            "it took the request, and did not answer in time"
        )


def test_a_retry_after_is_passed_on() -> None:
    with receiving(answer("503 Busy\r\nRetry-After: 120")) as receiver:
        assert destination(receiver.url).deliver(EVENT, deadline=soon()).retry_after == 120


def test_a_private_address_is_refused_unless_it_is_allowed() -> None:
    with receiving(answer("200 OK")) as receiver:
        refused = destination(receiver.url, allow_private=False).deliver(EVENT, deadline=soon())
        assert refused.error is not None
        assert "BREAKWALL_OUTCOMES__ALLOW_PRIVATE=true" in refused.error
        assert receiver.connections == 0


def test_tls_checks_the_name_of_the_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    certificate = make_certificate(tmp_path, "DNS:localhost")
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    inbox = Inbox()
    with serving(inbox.application) as address:
        front = TlsFront(certificate, int(address.rpartition(":")[2]))
        named = destination(f"https://localhost:{front.port}/hook").deliver(EVENT, deadline=soon())
        other = destination(f"https://127.0.0.1:{front.port}/hook").deliver(EVENT, deadline=soon())
        front.close()
    assert (named.delivered, other.error) == (True, "its certificate is for another host")
    assert len(inbox.events) == 1


def test_nothing_of_the_url_or_the_secrets_is_in_an_error_or_a_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    shop = destination("http://hidden:hidden@127.0.0.1:9/hidden?hidden=1")
    result = shop.deliver(EVENT, deadline=soon())
    assert result.error == "nothing listens on its port"
    for text in (repr(shop), repr(result), caplog.text):
        assert "hidden" not in text
        assert SECRET[6:] not in text
