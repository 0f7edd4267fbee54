"""A payment service that rejects the credentials: producers, workers and the backlog tell the operator."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from breakwall.settings import load_settings
from breakwall.worker.runtime import Runtime
from tests.command import Terminal
from tests.integration.gateway_fixtures import Serve
from tests.integration.gateway_stub import answering, response

WARNING = (
    "a charge was rejected (http_401): The payment service answered HTTP 401: it did not accept our "
    "credentials, check the user and password in BREAKWALL_PAYMENT_URL, or BREAKWALL_PAYMENT_TOKEN, "
    "_HEADERS or _CERT_FILE."
)


@pytest.fixture
def terminal(terminal: Terminal, serve: Serve) -> Terminal:
    """Commands whose payment service answers everything with 401, and whose orders are soon due again."""
    address = serve(answering(response(401))).url.removeprefix("http://")
    terminal.set(PAYMENT_URL=f"http://shop:geheim@{address}", RETRY__BASE="0.000001")
    return terminal


@pytest.fixture
def worker(terminal: Terminal) -> Iterator[Runtime]:
    given = {name: value for name, value in terminal.environ.items() if name.startswith("BREAKWALL_")}
    runtime = Runtime(load_settings({**given, "BREAKWALL_DATA_DIR": str(terminal.home)}))
    yield runtime
    runtime.close()


def test_a_producer_warns_and_keeps_the_order(terminal: Terminal) -> None:
    ran = terminal.place()
    assert (ran.code, ran.document["status"]) == (0, "queued")
    assert WARNING in ran.err
    assert "geheim" not in ran.err + ran.out


def test_a_worker_warns_once_however_often_it_is_rejected(
    terminal: Terminal, worker: Runtime, caplog: pytest.LogCaptureFixture
) -> None:
    terminal.place()
    order_id = terminal.show()["id"]
    worker.drain_state.run_once()  # Before its first reading a worker takes the queue for paused.
    assert [worker.retrier.run(order_id) for _ in range(2)] == ["queued"] * 2
    (warning,) = [message for message in caplog.messages if "rejected" in message]
    assert warning.startswith(WARNING)
    assert "geheim" not in caplog.text


def test_the_backlog_says_what_is_wrong_and_not_that_payments_go_through(terminal: Terminal) -> None:
    terminal.place()
    told = terminal.run("backlog").out
    assert "payments go through" not in told
    assert "The payment service rejected 1 order when it was last tried: check BREAKWALL_PAYMENT_URL" in told
    assert "for example http_401: The payment service answered HTTP 401" in told
    assert terminal.run("backlog", "-o", "json").document["rejected"]["orders"] == 1
