"""Over TLS, the handshake is within the deadline and before the request's first byte."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from breakwall.payments.gateways import Health, Outcome
from breakwall.payments.gateways.transport import deadline
from tests.integration.gateway_fixtures import ORDER, charge, gateway_to, within
from tests.integration.gateway_stub import (
    PAID,
    Script,
    StubConnection,
    StubServer,
    after_reading,
    answering,
    response,
)
from tests.integration.tls_fixtures import make_certificate

SECONDS = 0.4


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_certificate(tmp_path_factory.mktemp("tls"), "IP:127.0.0.1")


@pytest.fixture
def trusting(certificate: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(certificate))


def tls_server(certificate: Path, script: Script) -> StubServer:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return StubServer(script, context)


@pytest.fixture
def plain(request: pytest.FixtureRequest) -> Iterator[StubServer]:
    server = StubServer(request.param)
    yield server
    server.close()


def test_a_charge_goes_through_and_the_connection_is_kept(
    certificate: Path, trusting: ssl.SSLContext
) -> None:
    server = tls_server(certificate, answering(response(200, PAID)))
    with gateway_to(server.url, tls=trusting) as gateway:
        assert [charge(gateway).outcome for _ in range(3)] == [Outcome.SUCCEEDED] * 3
    server.close()
    assert server.connections == 1


def test_an_untrusted_certificate_sent_nothing(certificate: Path) -> None:
    server = tls_server(certificate, answering(response(200, PAID)))
    with gateway_to(server.url) as gateway:
        seen = charge(gateway)
    server.close()
    assert (seen.outcome, seen.health) == (Outcome.NOT_SENT, Health.FAILURE)
    assert "certificate" in seen.detail
    assert server.requests == []


def answer_in_plain_text(connection: StubConnection) -> None:
    connection.sock.recv(10)
    connection.send(response(400, b"this is not TLS"))


def hang_in_the_handshake(connection: StubConnection) -> None:
    connection.sock.recv(10)
    connection.hang()


def drip_the_handshake(connection: StubConnection) -> None:
    connection.sock.recv(10)
    connection.drip(b"\x16\x03\x03\x40\x00" + b"\x02\x00\x3f\xf0" + b"x" * 500, every=0.02)


def reset_in_the_handshake(connection: StubConnection) -> None:
    connection.sock.recv(10)
    connection.reset()


@pytest.mark.parametrize(
    "plain",
    [answer_in_plain_text, hang_in_the_handshake, drip_the_handshake, reset_in_the_handshake],
    indirect=True,
    ids=lambda script: script.__name__,
)
def test_a_failed_handshake_sent_nothing_in_time(plain: StubServer) -> None:
    with gateway_to(plain.url.replace("http:", "https:")) as gateway:
        seen = within(SECONDS, lambda deadline: gateway.charge(ORDER, deadline=deadline))
    assert (seen.outcome, seen.health) == (Outcome.NOT_SENT, Health.FAILURE)


def test_a_reset_after_the_request_over_tls_is_unknown(certificate: Path, trusting: ssl.SSLContext) -> None:
    server = tls_server(certificate, after_reading(then=StubConnection.reset))
    with gateway_to(server.url, tls=trusting) as gateway:
        seen = charge(gateway)
    server.close()
    assert (seen.outcome, seen.health) == (Outcome.UNKNOWN, Health.FAILURE)


def test_a_first_send_that_fails_over_tls_is_unknown_because_a_part_may_have_left(
    certificate: Path, trusting: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    answered, gone = threading.Event(), threading.Event()

    def reset_when_idle(connection: StubConnection) -> None:
        connection.request()
        connection.send(response(200, PAID))
        answered.wait(60)
        connection.reset()
        gone.set()

    server = tls_server(certificate, reset_when_idle)
    with gateway_to(server.url, tls=trusting, keepalive=60) as gateway:
        assert charge(gateway).outcome is Outcome.SUCCEEDED
        answered.set()
        gone.wait(60)
        # The pool checks a connection before its use; here the reset comes just after the check.
        monkeypatch.setattr(deadline, "has_unsolicited_data", lambda sock: False)
        seen = charge(gateway)
    server.close()
    assert (seen.outcome, server.connections) == (Outcome.UNKNOWN, 1)


def test_a_body_dripped_over_tls_ends_with_the_deadline(certificate: Path, trusting: ssl.SSLContext) -> None:
    server = tls_server(certificate, after_reading(drip=response(200, PAID + b" " * 500)))
    with gateway_to(server.url, tls=trusting) as gateway:
        seen = within(SECONDS, lambda deadline: gateway.charge(ORDER, deadline=deadline))
    server.close()
    assert seen.outcome is Outcome.UNKNOWN
