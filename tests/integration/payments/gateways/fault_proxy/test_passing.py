"""A tunnel of TLS is cut at its first request, not in its handshake."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from breakwall.payments.gateways import Outcome
from breakwall.payments.gateways.fault_proxy import Delivery, Fault, FaultProxy
from breakwall.payments.gateways.http import HttpGateway
from tests.integration.gateway_fixtures import charge, gateway_to
from tests.integration.gateway_stub import PAID, StubServer, answering, response
from tests.integration.tls_fixtures import make_certificate
from tests.waiting import wait_until


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_certificate(tmp_path_factory.mktemp("service"), "IP:127.0.0.1")


@pytest.fixture(params=[ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["TLS 1.2", "TLS 1.3"])
def service(request: pytest.FixtureRequest, certificate: Path) -> Iterator[StubServer]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    context.maximum_version = request.param
    server = StubServer(answering(response(200, PAID)), context)
    yield server
    server.close()


@contextmanager
def tunnelled(service: StubServer, certificate: Path) -> Iterator[tuple[HttpGateway, FaultProxy]]:
    """A gateway without any connection, and the proxy that it uses."""
    tls = ssl.create_default_context(cafile=str(certificate))
    with FaultProxy() as proxy, gateway_to(service.url, tls=tls, proxy=proxy.url) as gateway:
        yield gateway, proxy


def test_a_tunnel_is_passed_on(service: StubServer, certificate: Path) -> None:
    with tunnelled(service, certificate) as (gateway, _):
        assert charge(gateway).outcome is Outcome.SUCCEEDED


def test_a_late_request_arrives_in_a_tunnel_too(service: StubServer, certificate: Path) -> None:
    with tunnelled(service, certificate) as (gateway, proxy), proxy.delivering(Delivery.LATE):
        assert charge(gateway, 0.5).outcome is Outcome.UNKNOWN
        wait_until(lambda: len(service.requests) == 1)


def test_to_an_https_target_messages_of_tls_itself_are_no_answer(
    service: StubServer, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with FaultProxy(service.url) as proxy, socket.create_connection(("127.0.0.1", proxy.port), 20) as caller:
        time.sleep(
            0.2
        )  # Session tickets of TLS 1.3 come now; if they do not, this shows less, and fails no more.
        caller.sendall(b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\n\r\n")
        assert caller.recv(65_536).startswith(b"HTTP/1.1 200 ")


def test_the_first_request_arrives_and_its_answer_does_not(service: StubServer, certificate: Path) -> None:
    with tunnelled(service, certificate) as (gateway, proxy), proxy.failing(Fault.RESET):
        assert charge(gateway).outcome is Outcome.UNKNOWN
        wait_until(lambda: len(service.requests) == 1)


def test_half_of_the_first_request_does_not_arrive(service: StubServer, certificate: Path) -> None:
    with tunnelled(service, certificate) as (gateway, proxy), proxy.delivering(Delivery.HALF):
        # With TLS 1.3 the cut may come before the gateway writes its request.
        assert charge(gateway).outcome in {Outcome.UNKNOWN, Outcome.NOT_SENT}
    assert service.requests == []
