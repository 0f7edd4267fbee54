"""Our credentials on the wire: a bearer token, a certificate of ours, a proxy on the way."""

from __future__ import annotations

import logging
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from breakwall.doctor.checks import payment_service
from breakwall.payments.gateways import Outcome, gateway_from_settings
from breakwall.settings import Settings, SettingsError, load_settings
from tests.integration.gateway_fixtures import Serve, charge
from tests.integration.gateway_stub import StubServer, answering, headers_of, response

SECRET = "s3cr3t-s3cr3t"
SECONDS = 0.4


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


@pytest.mark.parametrize("which", ["none", "another"])
def test_without_the_right_certificate_nothing_is_charged_and_the_doctor_says_so(
    service: StubServer, certificate: Path, which: str
) -> None:
    files = {} if which == "none" else {"CERT_FILE": certificate}
    settings = read(URL=service.url, CA_FILE=certificate, **files)
    gateway = gateway_from_settings(settings)
    seen = charge(gateway)  # type: ignore[arg-type]
    gateway.close()
    assert seen.outcome in {Outcome.UNKNOWN, Outcome.FAILED, Outcome.NOT_SENT}
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
    files = ["-in", str(key), "-out", str(locked)]
    command = ["openssl", "pkcs8", "-topk8", *files, "-passout", f"pass:{SECRET}"]
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


def test_authorities_of_our_own_replace_the_systems(
    service: StubServer, ours: Path, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    gateway = gateway_from_settings(read(URL=service.url, CA_FILE=ours, CERT_FILE=ours))
    seen = charge(gateway)  # type: ignore[arg-type]
    gateway.close()
    assert seen.outcome is Outcome.NOT_SENT
    assert "certificate" in seen.detail


def test_authorities_are_refused_where_there_is_no_tls(certificate: Path) -> None:
    with pytest.raises(SettingsError, match="starts with https://"):
        read(URL="http://pay.example", CA_FILE=certificate)


def test_the_doctor_reports_a_file_that_was_removed(tmp_path: Path) -> None:
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
