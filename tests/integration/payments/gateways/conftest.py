"""A payment service that wants our certificate."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.gateway_stub import PAID, StubServer, answering, response
from tests.integration.tls_fixtures import make_certificate


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
