"""What further questions tell: whether an address exists, whether credentials are read, whether a port speaks TLS."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from breakwall.doctor.payment_address import (
    CHARGE,
    LOOKUP,
    answers_without_credentials,
    missing_addresses,
    speaks_tls,
)
from breakwall.settings import load_settings
from tests.application_server import serving
from tests.integration.gateway_fixtures import gateway_to
from tests.integration.gateway_stub import (
    answering,
    hang_after_reading,
    headers_of,
    reset_after_reading,
    response,
)
from tests.integration.tls_services import application, serving_script


def missing(url: str, seconds: float = 10.0) -> list[str]:
    with gateway_to(url) as gateway:
        return missing_addresses(gateway, deadline=time.monotonic() + seconds)


@contextmanager
def echoing() -> Iterator[str]:
    """A service without any of the addresses, whose 404 repeats the path and tells the time, as Spring's does."""
    app = FastAPI()

    @app.api_route("/{path:path}", methods=["GET"])
    async def nothing(request: Request) -> JSONResponse:
        told = {"timestamp": time.time_ns(), "status": 404, "error": "Not Found", "path": request.url.path}
        return JSONResponse(told, 404)

    with serving(app) as url:
        yield url


def test_a_service_that_has_both_misses_none() -> None:
    with serving(application()) as url:
        assert missing(url) == []


def test_one_that_answers_alike_everywhere_misses_both() -> None:
    with serving(application()) as url:
        assert missing(f"{url}/v9") == [LOOKUP, CHARGE]


def test_a_404_that_repeats_the_path_and_the_time_is_alike_too() -> None:
    with echoing() as url:
        assert missing(url) == missing(f"{url}/v9") == [LOOKUP, CHARGE]


def test_one_without_a_look_up_misses_that() -> None:
    with serving(application(looks_up=False)) as url:
        assert missing(url) == [LOOKUP]


def test_only_get_is_sent_and_with_our_headers() -> None:
    with serving_script(answering(response(404, b"{}"))) as server:
        with gateway_to(server.url, token=lambda: "t") as gateway:
            missing_addresses(gateway, deadline=time.monotonic() + 10)
        assert [request.split()[0] for request in server.requests] == [b"GET"] * 3
        assert {headers_of(request)["authorization"] for request in server.requests} == {"Bearer t"}
        assert all(b"idempotency-key" not in request.lower() for request in server.requests)


@pytest.mark.parametrize("script", [reset_after_reading, hang_after_reading])
def test_a_service_that_gives_no_answer_misses_nothing_that_is_known(script) -> None:  # type: ignore[no-untyped-def]
    with serving_script(script) as server:
        assert missing(server.url, seconds=0.3) == []


@pytest.mark.parametrize(("token", "answers"), [(None, True), ("t", False)])
def test_whether_the_service_reads_credentials_is_seen(token: str | None, answers: bool) -> None:
    with serving(application(token=token)) as url:
        settings = load_settings({"BREAKWALL_PAYMENT_URL": url, "BREAKWALL_PAYMENT_TOKEN": "t"})
        assert answers_without_credentials(settings, deadline=time.monotonic() + 10) is answers


def test_a_user_and_headers_count_as_credentials_too() -> None:
    with serving_script(answering(response(404, b"{}"))) as server:
        settings = load_settings(
            {
                "BREAKWALL_PAYMENT_URL": server.url.replace("://", "://u:p@") + "/v2",
                "BREAKWALL_PAYMENT_HEADERS": '{"X-Api-Key": "k"}',
            }
        )
        assert answers_without_credentials(settings, deadline=time.monotonic() + 10)
        (request,) = server.requests
    assert request.startswith(b"GET /v2/api/charges/breakwall-doctor-")
    assert {"authorization", "x-api-key"}.isdisjoint(headers_of(request))


def test_a_plain_port_does_not_speak_tls() -> None:
    with serving(application()) as url:
        assert not speaks_tls(load_settings({"BREAKWALL_PAYMENT_URL": url}))
