"""Spans of real processes reach a collector, and belong to their order's trace."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest
from fastapi import FastAPI

from breakwall import tracing
from breakwall.producers import Order, OrderProducer
from breakwall.settings import load_settings
from breakwall.simulator.client import SimulatorControl
from tests.application_server import serving
from tests.collector import collecting
from tests.command import Terminal
from tests.integration.worker.test_outcomes import SECRET, webhook
from tests.integration.worker_fixtures import running_worker
from tests.spans import recording, trace_id

TRACE_ONE = """
import sys
from breakwall import tracing
from breakwall.settings import load_settings
from breakwall.trace_export import start_tracing

stop = start_tracing(load_settings(), "test")
with tracing.span("place", order_id="o1"):
    pass
stop()
print(tracing.is_on())
"""


def trace_one(terminal: Terminal, program: str = TRACE_ONE) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", program],
        env=terminal.environ,
        cwd=terminal.folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_spans_are_sent_before_a_process_ends_and_past_the_proxy_of_the_environment(
    short_terminal: Terminal,
) -> None:
    with collecting() as collector:
        short_terminal.set(TRACING__ENDPOINT=collector.endpoint, TRACING__HEADERS='{"X-Key": "s3cret"}')
        short_terminal.environ |= {"http_proxy": "http://127.0.0.1:1", "HTTP_PROXY": "http://127.0.0.1:1"}
        assert trace_one(short_terminal).stdout == "True\n"
    assert [(service, name) for service, name, _ in collector.spans()] == [
        ("breakwall-test", "breakwall.place")
    ]
    assert collector.headers[0]["x-key"] == "s3cret"


def test_without_an_endpoint_nothing_is_traced(short_terminal: Terminal) -> None:
    assert trace_one(short_terminal).stdout == "False\n"


def test_a_share_of_nothing_sends_nothing(short_terminal: Terminal) -> None:
    with collecting() as collector:
        short_terminal.set(TRACING__ENDPOINT=collector.endpoint, TRACING__SHARE="0")
        trace_one(short_terminal)
    assert collector.spans() == []


def test_a_collector_that_is_away_ends_no_process(short_terminal: Terminal) -> None:
    short_terminal.set(TRACING__ENDPOINT="http://127.0.0.1:1/v1/traces")
    ran = trace_one(short_terminal)
    assert (ran.returncode, ran.stdout) == (0, "True\n")


def test_without_the_extra_the_error_says_how_to_install_it(short_terminal: Terminal) -> None:
    short_terminal.set(TRACING__ENDPOINT="http://127.0.0.1:1/v1/traces")
    hidden = f'import sys; sys.modules["opentelemetry.sdk"] = None\n{TRACE_ONE}'
    ran = trace_one(short_terminal, hidden)
    assert "BREAKWALL_TRACING__ENDPOINT: needs its extra: pip install 'breakwall[tracing]'" in ran.stderr


def test_an_order_is_one_trace_from_the_request_to_its_webhook(
    short_terminal: Terminal, payments: SimulatorControl, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop, heard = FastAPI(), threading.Event()

    @shop.post("/hook")
    async def take() -> None:
        heard.set()

    with collecting() as collector, serving(shop) as address, recording(monkeypatch) as spans:
        short_terminal.set(TRACING__ENDPOINT=collector.endpoint)
        webhook(short_terminal, f"{address}/hook")
        with running_worker(short_terminal) as worker:
            settings = load_settings(short_terminal.settings)
            with OrderProducer.from_settings(settings) as producer, tracing.span("request"):
                order = Order(user_id="anna", amount=100, currency="KRW", idempotency_key="cart-of-anna")
                producer.enqueue([order])
            assert heard.wait(60)
        # An ending worker sends its last spans.
        (request,) = spans.named("breakwall.request")
        found = {(service, name) for service, name, trace in collector.spans() if trace == trace_id(request)}
    assert found == {("breakwall-worker", "breakwall.charge"), ("breakwall-outcomes", "breakwall.deliver")}
    for secret in ("anna", SECRET):
        assert secret not in collector.text()
    assert "Traceback" not in worker.log
