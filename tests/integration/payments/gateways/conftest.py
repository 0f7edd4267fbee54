"""A payment service that wants our certificate, and a real proxy in front of it."""

from __future__ import annotations

import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.gateway_stub import PAID, StubServer, answering, response
from tests.integration.tls_fixtures import make_certificate

PROXY_PASSWORD = "s3cr3t-s3cr3t"


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
    options = [
        "--port-file",
        str(port_file),
        "--basic-auth",
        f"shop:{PROXY_PASSWORD}",
        "--num-acceptors",
        "1",
    ]
    process = subprocess.Popen([*command, *options], stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 20
    while not (port_file.exists() and port_file.read_text().strip()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    yield f"127.0.0.1:{port_file.read_text().strip()}"
    process.terminate()
    process.wait(20)
