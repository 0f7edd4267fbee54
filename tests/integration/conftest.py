import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from breakwall.simulator.client import SimulatorControl
from breakwall.simulator.server import Simulator
from tests.acceptance.shop import PaymentService
from tests.command import ShortTerminal, Terminal
from tests.integration.gateway_fixtures import Serve
from tests.integration.gateway_stub import Script, StubServer

NO_SERVICE = "http://127.0.0.1:9"
"""A payment service that does not exist: no program listens on the discard port."""

PROXY_PASSWORD = "s3cr3t-s3cr3t"


@pytest.fixture
def terminal(tmp_path: Path) -> Terminal:
    """Commands as processes, on the embedded default, without a payment service."""
    terminal = Terminal(tmp_path)
    terminal.set(PAYMENT_URL=NO_SERVICE)
    return terminal


@pytest.fixture
def short_terminal(tmp_path: Path) -> Terminal:
    """The same commands within this process."""
    terminal = ShortTerminal(tmp_path)
    terminal.set(PAYMENT_URL=NO_SERVICE)
    return terminal


@pytest.fixture
def payments(short_terminal: Terminal) -> Iterator[SimulatorControl]:
    """A payment service for the commands of `short_terminal`, to be switched."""
    book = short_terminal.folder / "charges.db"
    simulator = Simulator(host="127.0.0.1", port=0, control_port=0, charge_book=book)
    short_terminal.set(PAYMENT_URL=simulator.url)
    yield SimulatorControl(simulator.control_url)
    simulator.close()


@pytest.fixture(scope="module")
def module_payment_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PaymentService]:
    """A payment service, to be switched, for all tests of a module."""
    service = PaymentService(tmp_path_factory.mktemp("service"))
    service.start()
    yield service
    service.stop()


@pytest.fixture
def hanging_service() -> Iterator[str]:
    """A service that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Starts payment services that run scripts."""
    servers: list[StubServer] = []

    def start(script: Script) -> StubServer:
        servers.append(StubServer(script))
        return servers[-1]

    yield start
    for server in servers:
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
    deadline = time.monotonic() + 60
    while not (port_file.exists() and port_file.read_text().strip()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    yield f"127.0.0.1:{port_file.read_text().strip()}"
    process.terminate()
    process.wait(60)
