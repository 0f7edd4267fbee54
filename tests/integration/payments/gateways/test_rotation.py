"""Credentials that change while a gateway is in use: from the next call on it uses the new ones, without a restart."""

from __future__ import annotations

import logging
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from breakwall.payments.gateways import (
    ChargeAnswer,
    Gateway,
    Outcome,
    factory_settings,
    gateway_from_settings,
)
from breakwall.payments.gateways.http_service import HttpService, http_service
from breakwall.settings import Settings, load_settings
from tests.integration.gateway_fixtures import ORDER, Serve
from tests.integration.gateway_stub import PAID, answering, headers_of, response
from tests.integration.tls_rotation import MountedSecrets, RecordingService, pair_for
from tests.integration.tls_services import Certificates, serving_script

SECRET = "s3cr3t-s3cr3t"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def service(certificates: Certificates) -> Iterator[RecordingService]:
    service = RecordingService()
    with serving_script(service.serve, certificates.server_context()) as server:
        service.url = server.url
        yield service


def read(**variables: object) -> Settings:
    return load_settings({f"BREAKWALL_PAYMENT_{name}": str(value) for name, value in variables.items()})


def charge(gateway: Gateway) -> ChargeAnswer:
    return gateway.charge(ORDER, deadline=time.monotonic() + 10)


def put(target: Path, source: Path) -> None:
    """As a secrets manager does: a new file replaces the old one."""
    new = target.with_name("new")
    shutil.copy(source, new)
    new.replace(target)


@pytest.fixture
def files(tmp_path: Path) -> MountedSecrets:
    return MountedSecrets(tmp_path)


@pytest.mark.parametrize("keeps", [True, False], ids=["kept connections", "closed connections"])
def test_a_certificate_that_is_swapped_as_kubernetes_does_is_used_by_the_next_call(
    certificates: Certificates, service: RecordingService, files: MountedSecrets, keeps: bool
) -> None:
    service.keeps = keeps
    files.put(**pair_for(certificates, "first"))
    paths = {"CERT_FILE": files.folder / "crt", "KEY_FILE": files.folder / "key"}
    settings = read(URL=service.url, CA_FILE=certificates.services.certificate, **paths)
    with closing(gateway_from_settings(settings)) as gateway:
        assert [charge(gateway).outcome for _ in range(2)] == [Outcome.SUCCEEDED] * 2
        files.put(**pair_for(certificates, "second"))
        assert [charge(gateway).outcome for _ in range(2)] == [Outcome.SUCCEEDED] * 2
    assert service.subjects == ["first", "first", "second", "second"]


def test_while_a_certificate_does_not_belong_to_its_key_yet_the_last_pair_stays_in_use(
    certificates: Certificates, service: RecordingService, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    service.keeps = False
    first, second = pair_for(certificates, "first"), pair_for(certificates, "second")
    crt, key = tmp_path / "crt", tmp_path / "key"
    put(crt, first["crt"])
    put(key, first["key"])
    settings = read(URL=service.url, CA_FILE=certificates.services.certificate, CERT_FILE=crt, KEY_FILE=key)
    with closing(gateway_from_settings(settings)) as gateway:
        steps: list[Callable[[], object]] = [
            lambda: crt.write_bytes(second["crt"].read_bytes()[:200]),  # half written
            lambda: put(crt, second["crt"]),  # its key is still the first one's
            key.unlink,
            lambda: put(key, second["key"]),
        ]
        for step in steps:
            step()
            assert charge(gateway).outcome is Outcome.SUCCEEDED
    assert service.subjects == ["first", "first", "first", "second"]
    (warning,) = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert warning.getMessage().startswith("BREAKWALL_PAYMENT_CERT_FILE should hold a certificate in PEM")
    assert warning.getMessage().endswith("the last valid set of certificates stays in use")
    assert "PRIVATE" not in caplog.text


def test_an_authority_that_is_taken_away_is_not_trusted_by_the_next_call(
    certificates: Certificates, service: RecordingService, tmp_path: Path
) -> None:
    trusted = tmp_path / "ca"
    put(trusted, certificates.services.certificate)
    ours = certificates.clients.issue("DNS:shop")
    with closing(gateway_from_settings(read(URL=service.url, CA_FILE=trusted, CERT_FILE=ours))) as gateway:
        assert charge(gateway).outcome is Outcome.SUCCEEDED
        put(trusted, certificates.clients.certificate)
        refused = charge(gateway)
        assert (refused.outcome, refused.code) == (Outcome.NOT_SENT, "ServiceCertificateUntrustedError")
        trusted.write_text(
            certificates.clients.certificate.read_text() + certificates.services.certificate.read_text()
        )
        assert charge(gateway).outcome is Outcome.SUCCEEDED


class TestTheServiceOfAPlugIn:
    @staticmethod
    def service(**variables: object) -> HttpService:
        return http_service(factory_settings(read(GATEWAY="shop.pay:make", **variables)))

    @staticmethod
    def post(service: HttpService) -> int | str:
        """The status, or the error's name."""
        return service.exchange(
            *("POST", "/pay", {}, b"{}"),
            deadline=time.monotonic() + 10,
            answered=lambda status, *_, **__: status,
            failed=lambda error, phase: type(error).__name__,
        )

    def test_uses_a_new_certificate(
        self, certificates: Certificates, service: RecordingService, files: MountedSecrets
    ) -> None:
        files.put(**pair_for(certificates, "first"))
        paths = {"CERT_FILE": files.folder / "crt", "KEY_FILE": files.folder / "key"}
        authority = certificates.services.certificate
        with closing(self.service(URL=service.url, CA_FILE=authority, **paths)) as calls:
            assert self.post(calls) == 200
            files.put(**pair_for(certificates, "second"))
            assert self.post(calls) == 200
        assert service.subjects == ["first", "second"]

    def test_uses_new_headers_and_a_new_proxy(self, serve: Serve, tmp_path: Path) -> None:
        middle, headers, proxy = (
            serve(answering(response(200, PAID))),
            tmp_path / "headers",
            tmp_path / "proxy",
        )
        headers.write_text('{"X-Api-Key": "1"}')
        proxy.write_text(middle.url.replace("://", "://shop:first@"))
        with closing(self.service(URL="http://a.example", HEADERS_FILE=headers, PROXY_FILE=proxy)) as calls:
            assert self.post(calls) == 200
            headers.write_text('{"X-Api-Key": "the next"}')
            proxy.write_text(middle.url.replace("://", "://shop:second@"))
            assert self.post(calls) == 200
        sent = [headers_of(request) for request in middle.requests]
        assert [one["x-api-key"] for one in sent] == ["1", "the next"]
        assert len({one["proxy-authorization"] for one in sent}) == 2

    def test_speaks_tls_to_an_https_service_without_files_of_ours(self, service: RecordingService) -> None:
        """To that service it is a stranger, whose authority it does not trust."""
        with closing(self.service(URL=service.url)) as calls:
            assert self.post(calls) == "ServiceCertificateUntrustedError"


def test_headers_in_a_file_are_read_again(serve: Serve, tmp_path: Path) -> None:
    server, file = serve(answering(response(200, PAID))), tmp_path / "headers.json"
    file.write_text(f'{{"X-Api-Key": "{SECRET}-1"}}')
    settings = read(URL=server.url, HEADERS='{"X-Shop": "17"}', HEADERS_FILE=file)
    with closing(gateway_from_settings(settings)) as gateway:
        charge(gateway)
        file.write_text(f'{{"X-Api-Key": "{SECRET}-the-next-one"}}')
        charge(gateway)
        file.write_text(f'{{"X-Api-Key": "{SECRET}-half-wri')
        charge(gateway)
    sent = [headers_of(request) for request in server.requests]
    assert [one["x-api-key"] for one in sent] == [f"{SECRET}-1", *[f"{SECRET}-the-next-one"] * 2]
    assert {one["x-shop"] for one in sent} == {"17"}


def test_headers_in_a_file_cannot_add_a_second_authorization_later(serve: Serve, tmp_path: Path) -> None:
    server, file = serve(answering(response(200, PAID))), tmp_path / "headers.json"
    file.write_text('{"X-Shop": "17"}')
    with closing(gateway_from_settings(read(URL=server.url, TOKEN=SECRET, HEADERS_FILE=file))) as gateway:
        file.write_text('{"authorization": "Basic x"}')
        assert charge(gateway).outcome is Outcome.SUCCEEDED
    assert server.requests[0].lower().count(b"authorization:") == 1
    assert headers_of(server.requests[0])["authorization"] == f"Bearer {SECRET}"


def test_the_password_of_a_real_proxy_is_read_again(
    certificates: Certificates, service: RecordingService, proxy: str, tmp_path: Path
) -> None:
    file = tmp_path / "proxy"
    file.write_text(f"http://shop:{SECRET}-of-yesterday@{proxy}\n")
    settings = read(
        URL=service.url,
        CA_FILE=certificates.services.certificate,
        CERT_FILE=certificates.clients.issue("DNS:shop"),
        PROXY_FILE=file,
    )
    with closing(gateway_from_settings(settings)) as gateway:
        assert charge(gateway).code == "ProxyCredentialsError"
        file.write_text(f"http://shop:{SECRET}@{proxy}\n")
        assert charge(gateway).outcome is Outcome.SUCCEEDED
        # What was opened with the old password is not used any more.
        file.write_text(f"http://shop:{SECRET}-of-tomorrow@{proxy}\n")
        assert charge(gateway).code == "ProxyCredentialsError"


def test_a_plain_service_gets_the_proxys_new_password_too(serve: Serve, tmp_path: Path) -> None:
    middle, file = serve(answering(response(200, PAID))), tmp_path / "proxy"
    file.write_text(middle.url.replace("://", "://shop:first@"))
    settings = read(URL="http://pay.example", PROXY_FILE=file)
    with closing(gateway_from_settings(settings)) as gateway:
        charge(gateway)
        file.write_text(middle.url.replace("://", "://shop:second@"))
        charge(gateway)
    sent = [headers_of(request)["proxy-authorization"] for request in middle.requests]
    assert sent == ["Basic c2hvcDpmaXJzdA==", "Basic c2hvcDpzZWNvbmQ="]


def test_a_forked_process_uses_the_new_certificate_too(
    certificates: Certificates, service: RecordingService, files: MountedSecrets
) -> None:
    files.put(**pair_for(certificates, "first"))
    paths = {"CERT_FILE": files.folder / "crt", "KEY_FILE": files.folder / "key"}
    settings = read(URL=service.url, CA_FILE=certificates.services.certificate, **paths)
    with closing(gateway_from_settings(settings)) as gateway:
        assert charge(gateway).outcome is Outcome.SUCCEEDED
        files.put(**pair_for(certificates, "second"))
        if (child := os.fork()) == 0:
            os._exit(0 if charge(gateway).outcome is Outcome.SUCCEEDED else 1)
        assert os.waitpid(child, 0)[1] == 0
    assert service.subjects == ["first", "second"]
