"""A running worker and a running producer use a new certificate and a new token from the next call on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from breakwall.settings import load_settings
from producers import Order, OrderProducer
from tests.command import Terminal
from tests.integration.tls_rotation import MountedSecrets, RecordingService, pair_for
from tests.integration.tls_services import Certificates, serving_script
from tests.integration.worker_fixtures import running_worker
from tests.waiting import wait_until

SECRET = "s3cr3t-s3cr3t"


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    return Certificates(tmp_path / "certificates")


@pytest.fixture
def service(certificates: Certificates) -> Iterator[RecordingService]:
    service = RecordingService()
    with serving_script(service.serve, certificates.server_context()) as server:
        service.url = server.url
        service.requests = server.requests
        yield service


def order(key: str) -> Order:
    return Order(user_id="u1", amount=10_000, currency="KRW", idempotency_key=key)


def test_neither_is_restarted(
    terminal: Terminal, certificates: Certificates, service: RecordingService, tmp_path: Path
) -> None:
    files = MountedSecrets(tmp_path / "secrets")

    def rotate(number: int) -> None:
        token = tmp_path / "token"
        token.write_text(f"{SECRET}-{number}")
        files.put(**pair_for(certificates, f"certificate {number}"), token=token)

    rotate(1)
    terminal.set(
        PLACE__WAIT="30",
        PAYMENT_URL=service.url,
        PAYMENT_CA_FILE=str(certificates.services.certificate),
        PAYMENT_CERT_FILE=str(files.folder / "crt"),
        PAYMENT_KEY_FILE=str(files.folder / "key"),
        PAYMENT_TOKEN_FILE=str(files.folder / "token"),
    )
    with closing(OrderProducer.from_settings(load_settings(terminal.settings))) as producer:

        def by_the_worker(key: str) -> None:
            producer.enqueue([order(key)])
            wait_until(lambda: terminal.show(key)["status"] == "paid", 60)

        with running_worker(terminal) as worker:
            ways: list[Callable[[str], object]] = [lambda key: producer.place(order(key)), by_the_worker]
            for number in (1, 2):
                if number == 2:
                    rotate(2)
                for way, pay in enumerate(ways):
                    pay(f"cart-{number}-{way}")
            log = worker.log
    assert service.subjects == ["certificate 1"] * 2 + ["certificate 2"] * 2
    tokens = [request.split(b"Bearer ")[1].split(b"\r\n")[0].decode() for request in service.requests]
    assert tokens == [f"{SECRET}-1"] * 2 + [f"{SECRET}-2"] * 2
    assert SECRET not in log
    assert "the token was read again, because a file changed" in log
