"""Services that demand a certificate of ours: a right one charges, any other charges nothing and says so."""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import closing, suppress

import pytest

from breakwall.payments.gateways import (
    Advice,
    ChargeAnswer,
    Health,
    LookupResult,
    Outcome,
    gateway_from_settings,
)
from breakwall.payments.gateways.transport.deadline import Call, DeadlineStream
from breakwall.settings import Settings, load_settings
from tests.integration.gateway_fixtures import ORDER
from tests.integration.gateway_stub import PAID, StubConnection, StubServer, response
from tests.integration.tls_peer import TlsPeer
from tests.integration.tls_services import DEMANDING, Certificates, serving_script

PROXY_PASSWORD = "s3cr3t-s3cr3t"

HANGS_UP = {"ReadError", "WriteError", "RemoteProtocolError", "HandshakeRefusedError", "StrayAnswerError"}


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module", params=DEMANDING)
def url(
    request: pytest.FixtureRequest, certificates: Certificates, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """A service that demands a certificate of the clients' authority."""
    with DEMANDING[request.param](certificates, tmp_path_factory.mktemp("service")) as url:
        yield url


def read(certificates: Certificates, url: str, **files: object) -> Settings:
    given = {"URL": url, "CA_FILE": certificates.services.certificate, **files}
    return load_settings({f"BREAKWALL_PAYMENT_{name}": str(value) for name, value in given.items()})


def charge(settings: Settings) -> ChargeAnswer:
    with closing(gateway_from_settings(settings)) as gateway:
        return gateway.charge(ORDER, deadline=time.monotonic() + 10)


def test_the_right_certificate_charges_and_looks_up(certificates: Certificates, url: str) -> None:
    settings = read(certificates, url, CERT_FILE=certificates.clients.issue("DNS:shop"))
    assert charge(settings).outcome is Outcome.SUCCEEDED
    with closing(gateway_from_settings(settings)) as gateway:
        found = gateway.look_up("k", deadline=time.monotonic() + 10)
    assert found.result is LookupResult.ABSENT


def test_it_does_so_through_a_real_proxy_that_wants_a_password(
    certificates: Certificates, url: str, proxy: str
) -> None:
    ours = certificates.clients.issue("DNS:shop")
    through = f"http://shop:{PROXY_PASSWORD}@{proxy}"
    assert charge(read(certificates, url, CERT_FILE=ours, PROXY=through)).outcome is Outcome.SUCCEEDED
    refused = charge(read(certificates, url, CERT_FILE=ours, PROXY=f"http://shop:wrong@{proxy}"))
    assert (refused.outcome, refused.code) == (Outcome.NOT_SENT, "ProxyCredentialsError")


@pytest.mark.parametrize("which", ["none", "expired", "of another authority"])
def test_any_other_certificate_charges_nothing_and_is_never_a_success(
    certificates: Certificates, url: str, which: str
) -> None:
    files = {
        "none": dict,
        "expired": lambda: {"CERT_FILE": certificates.clients.issue("DNS:shop", days=-1)},
        "of another authority": lambda: {"CERT_FILE": certificates.services.issue("DNS:shop")},
    }[which]()
    seen = charge(read(certificates, url, **files))
    assert seen.outcome in {Outcome.NOT_SENT, Outcome.FAILED, Outcome.UNKNOWN}
    # A server may reset the connection before its reason arrives.
    told = seen.advice is Advice.RECONFIGURE
    assert told or seen.code in {
        "ReadError",
        "WriteError",
        "RemoteProtocolError",
        "HandshakeRefusedError",
        "StrayAnswerError",
    }


@pytest.fixture
def refusing_late(
    certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[str, threading.Event]]:
    """A service with TLS 1.3. The client has sent its request when it hears that its certificate was refused."""
    written = threading.Event()
    read_as_ever = DeadlineStream.read

    def read(stream: DeadlineStream, call: Call) -> bytes:
        written.set()
        return read_as_ever(stream, call)

    monkeypatch.setattr(DeadlineStream, "read", read)
    context = certificates.server_context(ssl.TLSVersion.TLSv1_3)
    with serving_script(lambda connection: refuse(connection, context, written)) as server:
        yield server.url.replace("http:", "https:"), written


def refuse(connection: StubConnection, context: ssl.SSLContext, written: threading.Event) -> None:
    """Shake hands, and say only after the client has ``written`` that its certificate is refused."""
    received, sent = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(received, sent, server_side=True)
    with suppress(ssl.SSLCertVerificationError, ssl.SSLError):
        while True:
            try:
                tls.do_handshake()
            except ssl.SSLWantReadError:
                if sent.pending:
                    connection.send(sent.read())
                received.write(connection.sock.recv(65_536))
    assert written.wait(60)
    connection.send(sent.read())
    connection.hang()


@pytest.mark.parametrize(
    ("which", "code"),
    [
        ("none", "CertificateMissingError"),
        ("expired", "CertificateExpiredError"),
        ("another", "CertificateRefusedError"),
    ],
)
def test_a_refusal_after_the_request_within_the_handshake_of_tls_1_3_is_a_proof(
    certificates: Certificates, refusing_late: tuple[str, threading.Event], which: str, code: str
) -> None:
    url, written = refusing_late
    files = {
        "none": dict,
        "expired": lambda: {"CERT_FILE": certificates.clients.issue("DNS:shop", days=-1)},
        "another": lambda: {"CERT_FILE": certificates.services.issue("DNS:shop")},
    }[which]()
    seen = charge(read(certificates, url, **files))
    assert written.is_set()
    assert (seen.outcome, seen.code) == (Outcome.FAILED, code)
    assert (seen.health, seen.advice) == (Health.NEUTRAL, Advice.RECONFIGURE)
    assert "BREAKWALL_PAYMENT_CERT_FILE" in seen.detail
    assert not seen.spends_key


def test_a_hang_up_after_the_request_without_a_reason_is_unknown(certificates: Certificates) -> None:
    context = certificates.server_context(demand=False)

    def hangs_up(connection: StubConnection) -> None:
        TlsPeer(connection, context).request()
        connection.reset()

    with serving_script(hangs_up) as server:
        seen = charge(read(certificates, server.url.replace("http:", "https:")))
    assert (seen.outcome, seen.advice) == (Outcome.UNKNOWN, Advice.RETRY)


def test_a_look_up_that_is_refused_for_its_certificate_needs_other_settings(
    certificates: Certificates, refusing_late: tuple[str, threading.Event]
) -> None:
    url, _ = refusing_late
    with closing(gateway_from_settings(read(certificates, url))) as gateway:
        seen = gateway.look_up("k", deadline=time.monotonic() + 10)
    assert (seen.result, seen.advice) == (LookupResult.UNAVAILABLE, Advice.RECONFIGURE)


@pytest.mark.parametrize(
    ("code", "authority", "host", "days"),
    [
        ("ServiceCertificateUntrustedError", "clients", "IP:127.0.0.1", 2),
        ("ServiceCertificateExpiredError", "services", "IP:127.0.0.1", -1),
        ("ServiceCertificateHostError", "services", "DNS:pay.example", 2),
    ],
)
def test_a_service_with_a_wrong_certificate_is_sent_nothing_and_the_reason_is_named(
    certificates: Certificates, code: str, authority: str, host: str, days: int
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(getattr(certificates, authority).issue(host, days=days))
    served: list[bytes] = []

    def pays(connection: StubConnection) -> None:
        served.append(connection.request())
        connection.send(response(200, PAID))

    server = StubServer(pays, context)
    seen = charge(read(certificates, server.url))
    server.close()
    assert (seen.outcome, seen.code, served) == (Outcome.NOT_SENT, code, [])
