"""The proxy does what its faults say."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from breakwall.payments.gateways.contract import Fault, FaultProxy

ANSWER = b"a whole answer"


class Service(ThreadingHTTPServer):
    """Counts its requests."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.hosts: list[str] = []


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Service

    def do_GET(self) -> None:
        self.server.hosts.append(self.headers["Host"])
        self.send_response(200)
        self.send_header("Content-Length", str(len(ANSWER)))
        self.end_headers()
        self.wfile.write(ANSWER)

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def service() -> Iterator[Service]:
    service = Service()
    threading.Thread(target=service.serve_forever, args=(0.02,), daemon=True).start()
    yield service
    service.shutdown()
    service.server_close()


@pytest.fixture
def proxy(service: Service) -> Iterator[FaultProxy]:
    with FaultProxy(f"http://127.0.0.1:{service.server_port}/prefix/") as proxy:
        yield proxy


def received(proxy: FaultProxy, seconds: float = 1.0) -> bytes:
    """What comes back for a request, within so many seconds."""
    seen, end = b"", time.monotonic() + seconds
    with suppress(OSError), socket.create_connection(("127.0.0.1", proxy.port), 5) as connection:
        connection.sendall(f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{proxy.port}\r\n\r\n".encode())
        while ANSWER not in seen and (left := end - time.monotonic()) > 0:
            connection.settimeout(left)
            if not (more := connection.recv(65_536)):
                break
            seen += more
    return seen


def test_without_a_fault_it_passes_everything_on(proxy: FaultProxy, service: Service) -> None:
    assert ANSWER in received(proxy, 20.0)
    assert service.hosts == [f"127.0.0.1:{service.server_port}"]
    assert proxy.url == f"http://127.0.0.1:{proxy.port}/prefix"
    assert proxy.received > 0


@pytest.mark.parametrize("fault", Fault)
def test_with_a_fault_no_whole_answer_comes(proxy: FaultProxy, service: Service, fault: Fault) -> None:
    with proxy.failing(fault):
        assert ANSWER not in received(proxy)
    assert ANSWER in received(proxy, 20.0)
    assert len(service.hosts) == 1 + fault.reaches_the_service
