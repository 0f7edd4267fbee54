"""Spans of real processes reach a collector, and belong to their order's trace."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest
from fastapi import FastAPI

from breakwall.simulator.client import SimulatorControl
from tests.application_server import serving
from tests.collector import Collector, collecting
from tests.command import Terminal
from tests.integration.web.conftest import RunningApi, StartApi
from tests.integration.worker.test_outcomes import SECRET, webhook
from tests.integration.worker_fixtures import running_worker
from tests.waiting import wait_until

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


@pytest.fixture
def start_api(short_terminal: Terminal) -> Iterator[StartApi]:
    """Starts one API."""
    running: list[RunningApi] = []

    def start() -> RunningApi:
        running.append(RunningApi(short_terminal))
        return running[-1].until_ready()

    yield start
    for one in running:
        one.close()


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


TRACE = "0af7651916cd43dd8448eb211c80319c"
CALLER = f"00-{TRACE}-b7ad6b7169203331-01"  # The span of whoever sends the request.

ORDER = {"user_id": "anna", "amount": 100, "currency": "KRW", "description": "for anna"}

SPANS = {
    ("breakwall-api", "POST /v1/orders"),
    ("breakwall-api", "breakwall.place"),
    ("breakwall-api", "breakwall.charge"),
    ("breakwall-worker", "breakwall.charge"),
    ("breakwall-outcomes", "breakwall.deliver"),
}


def test_an_order_is_one_trace_from_the_request_through_the_queue_to_its_last_retry_and_its_webhook(
    short_terminal: Terminal, payments: SimulatorControl, start_api: StartApi
) -> None:
    shop = FastAPI()

    @shop.post("/hook")
    async def take() -> None: ...

    with collecting() as collector, serving(shop) as address:
        short_terminal.set(TRACING__ENDPOINT=collector.endpoint)
        short_terminal.environ["OTEL_BSP_SCHEDULE_DELAY"] = "100"  # Milliseconds until spans are sent.
        webhook(short_terminal, f"{address}/hook")
        payments.set_faults(down=True)
        with running_worker(short_terminal) as worker:
            headers = {"Idempotency-Key": "cart-of-anna", "traceparent": CALLER}
            assert start_api().request("POST", "/v1/orders", ORDER, **headers).status == 202
            payments.set_faults(down=False)
            wait_until(lambda: seen(collector) == SPANS)
    for secret in ("anna", SECRET):
        assert secret not in collector.text()
    assert "Traceback" not in worker.log


def seen(collector: Collector) -> set[tuple[str, str]]:
    """The service and the name of each span of the order's trace, so far."""
    return {(service, name) for service, name, trace in collector.spans() if trace == int(TRACE, 16)}
