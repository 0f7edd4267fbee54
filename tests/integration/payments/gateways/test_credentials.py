"""Who we are, on the wire: a bearer token, a certificate of ours, a proxy on the way."""

from __future__ import annotations

import logging
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from breakwall.doctor.checks import payment_service
from breakwall.payments.gateways import Health, Outcome, gateway_from_settings
from breakwall.settings import Settings, SettingsError, load_settings
from tests.integration.gateway_fixtures import ORDER, Serve, charge, gateway_to, within
from tests.integration.gateway_stub import (
    PAID,
    Connection,
    Script,
    StubServer,
    answering,
    headers_of,
    response,
)
from tests.integration.tls_fixtures import make_certificate

SECRET = "s3cr3t-s3cr3t"
SECONDS = 0.4


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of the service."""
    return make_certificate(tmp_path_factory.mktemp("service"), "IP:127.0.0.1")


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate of ours, with its key; the key alone is beside it in ``key.pem``."""
    return make_certificate(tmp_path_factory.mktemp("ours"), "DNS:shop")


@pytest.fixture
def service(certificate: Path, ours: Path) -> Iterator[StubServer]:
    """Wants our certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    context.load_verify_locations(ours)
    context.verify_mode = ssl.CERT_REQUIRED
    server = StubServer(answering(response(200, PAID)), context)
    yield server
    server.close()


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address, without scheme, of a real proxy that lets in ``shop`` with the secret."""
    port_file = tmp_path_factory.mktemp("proxy") / "port"
    command = [sys.executable, "-m", "proxy", "--hostname", "127.0.0.1", "--port", "0", "--threaded"]
    options = ["--port-file", str(port_file), "--basic-auth", f"shop:{SECRET}", "--num-acceptors", "1"]
    process = subprocess.Popen([*command, *options], stderr=subprocess.DEVNULL)
    give_up = time.monotonic() + 20
    while not (port_file.exists() and port_file.read_text().strip()):
        assert time.monotonic() < give_up
        time.sleep(0.02)
    yield f"127.0.0.1:{port_file.read_text().strip()}"
    process.terminate()
    process.wait(20)


def read(**variables: object) -> Settings:
    return load_settings({f"BREAKWALL_PAYMENT_{name}": str(value) for name, value in variables.items()})


def test_bearer_token_client_certificate_proxy(
    service: StubServer,
    certificate: Path,
    ours: Path,
    proxy: str,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    token = tmp_path / "token"
    token.write_text(f"{SECRET}-1\n")
    settings = read(
        URL=service.url,
        TOKEN_FILE=token,
        HEADERS=f'{{"X-Shop": "{SECRET}-2"}}',
        CA_FILE=certificate,
        CERT_FILE=ours,
        PROXY=f"http://shop:{SECRET}@{proxy}",
    )
    gateway = gateway_from_settings(settings)
    seen = [charge(gateway)]  # type: ignore[arg-type] # any gateway will do
    token.write_text(f"{SECRET}-after-a-change\n")
    seen.append(charge(gateway))  # type: ignore[arg-type]
    (found,) = payment_service(settings)
    gateway.close()
    assert [answer.outcome for answer in seen] == [Outcome.SUCCEEDED] * 2
    first, second, *_ = map(headers_of, service.requests)
    assert first["authorization"] == f"Bearer {SECRET}-1"
    assert second["authorization"] == f"Bearer {SECRET}-after-a-change"
    assert first["x-shop"] == f"{SECRET}-2"
    assert "proxy-authorization" not in first
    assert f"through http://{proxy}" in found.detail
    assert SECRET not in f"{seen} {gateway!r} {settings!r} {found} {caplog.text}"


def test_a_tunnel_is_kept_as_any_connection(
    service: StubServer, certificate: Path, ours: Path, proxy: str
) -> None:
    tls = ssl.create_default_context(cafile=str(certificate))
    tls.load_cert_chain(ours)
    with gateway_to(service.url, tls=tls, keepalive=60, proxy=f"http://shop:{SECRET}@{proxy}") as gateway:
        assert [charge(gateway).outcome for _ in range(3)] == [Outcome.SUCCEEDED] * 3
    assert service.connections == 1


def test_a_proxy_that_does_not_know_us_sent_nothing(service: StubServer, proxy: str) -> None:
    with gateway_to(service.url, proxy=f"http://shop:wrong@{proxy}") as gateway:
        seen = charge(gateway)
    assert (seen.outcome, seen.health) == (Outcome.NOT_SENT, Health.FAILURE)
    assert "the proxy refused with HTTP 407: look at BREAKWALL_PAYMENT_PROXY" in seen.detail
    assert service.connections == 0


def test_a_service_that_the_proxy_cannot_reach_was_sent_nothing(proxy: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with gateway_to(f"https://127.0.0.1:{port}", proxy=f"http://shop:{SECRET}@{proxy}") as gateway:
        assert charge(gateway).outcome is Outcome.NOT_SENT


def test_a_plain_service_is_reached_through_a_real_proxy_too(serve: Serve, proxy: str) -> None:
    server = serve(answering(response(200, PAID)))
    with gateway_to(f"{server.url}/v2", proxy=f"http://shop:{SECRET}@{proxy}") as gateway:
        assert charge(gateway).outcome is Outcome.SUCCEEDED
    assert server.requests[0].startswith(b"POST /v2/api/charge HTTP/1.1\r\n")
    assert SECRET not in str(server.requests[0])


def test_a_request_to_a_plain_service_goes_to_the_proxy_with_the_whole_address(serve: Serve) -> None:
    middle = serve(answering(response(200, PAID)))
    address = middle.url.replace("://", f"://shop:{SECRET}@")
    with gateway_to("http://pay.example:8090/v2", proxy=address) as gateway:
        assert charge(gateway).outcome is Outcome.SUCCEEDED
        gateway.look_up("k", deadline=time.monotonic() + 5)
    post, get = middle.requests
    assert post.startswith(b"POST http://pay.example:8090/v2/api/charge HTTP/1.1\r\n")
    assert get.startswith(b"GET http://pay.example:8090/v2/api/charges/k HTTP/1.1\r\n")
    assert headers_of(post)["host"] == "pay.example:8090"
    assert headers_of(post)["proxy-authorization"] == "Basic c2hvcDpzM2NyM3QtczNjcjN0"


def test_the_proxy_is_asked_for_a_tunnel_to_the_host_and_port(serve: Serve) -> None:
    middle = serve(answering(response(403)))
    for url in ("https://pay.example", "https://pay.example:8443/v2", "https://[::1]"):
        with gateway_to(url, proxy=middle.url) as gateway:
            assert charge(gateway).outcome is Outcome.NOT_SENT
    asked = [request.partition(b"\r\n")[0] for request in middle.requests]
    wanted = ("pay.example:443", "pay.example:8443", "[::1]:443")
    assert asked == [f"CONNECT {authority} HTTP/1.1".encode() for authority in wanted]
    assert "authorization" not in headers_of(middle.requests[0])


def hang_at_once(connection: Connection) -> None:
    connection.hang()


def hang_when_asked(connection: Connection) -> None:
    connection.request()
    connection.hang()


def drip_the_tunnel(connection: Connection) -> None:
    connection.request()
    connection.drip(b"HTTP/1.1 200 Connection established\r\nX-Padding: " + b"x" * 500, every=0.02)


def hang_in_the_tunnel(connection: Connection) -> None:
    connection.request()
    connection.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
    connection.hang()


def say_more_than_asked(connection: Connection) -> None:
    connection.request()
    connection.send(b"HTTP/1.1 200 Connection established\r\n\r\n" + response(200, PAID))
    connection.hang()


def answer_as_the_service(connection: Connection) -> None:
    connection.request()
    connection.send(response(200, PAID))
    connection.hang()


def answer_nonsense(connection: Connection) -> None:
    connection.request()
    connection.send(b"\x00\xffSSH-2.0\r\n\r\n" * 10)


def refuse_with_an_endless_page(connection: Connection) -> None:
    connection.request()
    connection.send(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 100000000\r\n\r\n")
    while True:
        connection.send(b" " * 100_000)


def reset_when_asked(connection: Connection) -> None:
    connection.request()
    connection.reset()


@pytest.mark.parametrize(
    "script",
    [
        hang_at_once,
        hang_when_asked,
        drip_the_tunnel,
        hang_in_the_tunnel,
        say_more_than_asked,
        answer_as_the_service,
        answer_nonsense,
        refuse_with_an_endless_page,
        reset_when_asked,
        answering(response(502, b"no route")),
        answering(response(302, b"", "Location: http://elsewhere/")),
    ],
    ids=lambda script: script.__name__,
)
def test_whatever_a_proxy_does_instead_of_a_tunnel_nothing_was_sent_in_time(
    serve: Serve, script: Script
) -> None:
    middle = serve(script)
    with gateway_to("https://pay.example", proxy=middle.url) as gateway:
        seen = within(SECONDS, lambda deadline: gateway.charge(ORDER, deadline=deadline))
    assert (seen.outcome, seen.health) == (Outcome.NOT_SENT, Health.FAILURE)
    assert all(request.startswith(b"CONNECT pay.example:443 ") for request in middle.requests)


def test_a_proxy_that_is_not_there_is_told_apart_from_the_service() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with gateway_to("http://pay.example", proxy=f"http://127.0.0.1:{port}") as gateway:
        seen = charge(gateway)
    assert seen.outcome is Outcome.NOT_SENT
    assert "the proxy does not answer" in seen.detail


@pytest.mark.parametrize("which", ["none", "another"])
def test_without_the_right_certificate_nothing_is_charged_and_the_doctor_says_so(
    service: StubServer, certificate: Path, which: str
) -> None:
    files = {} if which == "none" else {"CERT_FILE": certificate}
    settings = read(URL=service.url, CA_FILE=certificate, **files)
    gateway = gateway_from_settings(settings)
    assert charge(gateway).outcome in {Outcome.UNKNOWN, Outcome.NOT_SENT}  # type: ignore[arg-type]
    gateway.close()
    assert service.requests == []
    (found,) = payment_service(settings)
    assert not found.ok
    assert "BREAKWALL_PAYMENT_CERT_FILE" in found.advice


def test_a_key_of_its_own_belongs_to_the_certificate(
    service: StubServer, certificate: Path, ours: Path, tmp_path: Path
) -> None:
    key = ours.with_name("key.pem")
    alone = tmp_path / "alone.pem"
    alone.write_text(ours.read_text().replace(key.read_text(), ""))
    gateway = gateway_from_settings(read(URL=service.url, CA_FILE=certificate, CERT_FILE=alone, KEY_FILE=key))
    assert charge(gateway).outcome is Outcome.SUCCEEDED  # type: ignore[arg-type]
    gateway.close()


def encrypted(key: Path, folder: Path) -> Path:
    locked = folder / "locked.pem"
    command = [
        "openssl",
        "pkcs8",
        "-topk8",
        "-in",
        str(key),
        "-out",
        str(locked),
        "-passout",
        f"pass:{SECRET}",
    ]
    subprocess.run(command, check=True, capture_output=True)
    return locked


@pytest.mark.parametrize("which", ["of another", "encrypted", "none", "no key"])
def test_a_key_that_does_not_fit_is_refused_when_the_settings_are_read(
    certificate: Path, ours: Path, tmp_path: Path, which: str
) -> None:
    alone, nonsense = tmp_path / "alone.pem", tmp_path / "nonsense.pem"
    alone.write_text(ours.read_text().replace(ours.with_name("key.pem").read_text(), ""))
    nonsense.write_text(SECRET)
    keys: dict[str, Callable[[], dict[str, Path]]] = {
        "of another": lambda: {"KEY_FILE": certificate.with_name("key.pem")},
        "encrypted": lambda: {"KEY_FILE": encrypted(ours.with_name("key.pem"), tmp_path)},
        "none": dict,
        "no key": lambda: {"KEY_FILE": nonsense},
    }
    with pytest.raises(SettingsError) as refused:
        read(URL="https://pay.example", CERT_FILE=alone, **keys[which]())
    (problem,) = refused.value.problems
    assert problem.startswith("BREAKWALL_PAYMENT_CERT_FILE: ")
    assert "BREAKWALL_PAYMENT_KEY_FILE" in problem
    assert SECRET not in problem


def test_authorities_of_our_own_take_the_systems_place(
    service: StubServer, ours: Path, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    gateway = gateway_from_settings(read(URL=service.url, CA_FILE=ours, CERT_FILE=ours))
    seen = charge(gateway)  # type: ignore[arg-type]
    gateway.close()
    assert seen.outcome is Outcome.NOT_SENT
    assert "certificate" in seen.detail


def test_authorities_are_refused_where_there_is_no_tls(certificate: Path) -> None:
    with pytest.raises(SettingsError, match="does not start with https://"):
        read(URL="http://pay.example", CA_FILE=certificate)


def test_the_doctor_tells_of_a_file_that_was_taken_away(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text(SECRET)
    settings = read(URL="http://127.0.0.1:9", TOKEN_FILE=token)
    token.unlink()
    (found,) = payment_service(settings)
    assert not found.ok
    assert "cannot be read: No such file or directory" in found.detail


@pytest.mark.parametrize(
    ("status", "advice"),
    [(401, "BREAKWALL_PAYMENT_TOKEN"), (403, "BREAKWALL_PAYMENT_TOKEN"), (407, "BREAKWALL_PAYMENT_PROXY")],
)
def test_the_doctor_says_where_our_credentials_are(serve: Serve, status: int, advice: str) -> None:
    (found,) = payment_service(read(URL=serve(answering(response(status))).url, TOKEN=SECRET))
    assert not found.ok
    assert advice in found.advice


def test_a_token_goes_with_every_call(serve: Serve) -> None:
    server = serve(answering(response(404, b"{}")))
    gateway = gateway_from_settings(read(URL=server.url, TOKEN=SECRET))
    charge(gateway)  # type: ignore[arg-type]
    gateway.look_up("k", deadline=time.monotonic() + 5)
    gateway.close()
    assert [headers_of(request)["authorization"] for request in server.requests] == [f"Bearer {SECRET}"] * 2
