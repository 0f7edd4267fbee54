"""The proxy does what its faults say."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from breakwall.payments.gateways.fault_proxy import Delivery, Fault, FaultProxy
from tests.waiting import wait_until

ANSWER = b"a whole answer"


class Service(ThreadingHTTPServer):
    """Counts its requests."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.hosts: list[str] = []
        self.paths: list[str] = []

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that goes is what many tests want."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Service

    def do_GET(self) -> None:
        self.server.hosts.append(self.headers["Host"])
        self.server.paths.append(self.path)
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


@pytest.fixture
def forwarding() -> Iterator[FaultProxy]:
    """An HTTP proxy."""
    with FaultProxy() as proxy:
        yield proxy


def asked(proxy: FaultProxy, service: Service) -> bytes:
    """What comes back for a request through an HTTP proxy."""
    authority = f"127.0.0.1:{service.server_port}".encode()
    seen = b""
    with suppress(OSError), socket.create_connection(("127.0.0.1", proxy.port), 20) as connection:
        connection.sendall(b"GET http://%s/ HTTP/1.1\r\nHost: %s\r\n\r\n" % (authority, authority))
        while ANSWER not in seen and (more := connection.recv(65_536)):
            seen += more
    return seen


def test_as_an_http_proxy_it_asks_the_service_that_is_named(forwarding: FaultProxy, service: Service) -> None:
    assert ANSWER in asked(forwarding, service)
    assert service.hosts == [f"127.0.0.1:{service.server_port}"]
    assert service.paths == ["/"]
    assert forwarding.received > 0


def test_a_service_that_is_not_there_is_a_bad_gateway(forwarding: FaultProxy) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with socket.create_connection(("127.0.0.1", forwarding.port), 5) as connection:
        connection.sendall(b"CONNECT 127.0.0.1:%d HTTP/1.1\r\n\r\n" % port)
        assert connection.recv(65_536).startswith(b"HTTP/1.1 502 ")


def test_the_next_proxy_gets_the_gateways_own_words(service: Service) -> None:
    with FaultProxy() as behind:
        next_proxy = behind.url.replace("://", "://shop:s3cret@")
        with FaultProxy(next_proxy=next_proxy) as proxy:
            assert proxy.url == f"http://shop:s3cret@127.0.0.1:{proxy.port}"
            assert ANSWER in asked(proxy, service)
        assert behind.received > 0


def test_a_late_request_arrives_when_its_caller_has_gone(proxy: FaultProxy, service: Service) -> None:
    """The end of the block waits for it."""
    with proxy.delivering(Delivery.LATE):
        with socket.create_connection(("127.0.0.1", proxy.port), 0.2) as caller:
            caller.sendall(f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{proxy.port}\r\n\r\n".encode())
            with pytest.raises(TimeoutError):
                caller.recv(65_536)
            assert service.paths == []
        wait_until(lambda: proxy._now.held.is_set())
    assert len(service.paths) == 1


def test_a_request_that_is_delivered_twice_is_answered_once(proxy: FaultProxy, service: Service) -> None:
    with proxy.delivering(Delivery.TWICE):
        assert received(proxy, 20.0).count(ANSWER) == 1
    assert service.paths == ["/", "/"]
    assert ANSWER in received(proxy, 20.0)
    assert service.paths == ["/", "/", "/"]


def test_half_of_a_request_gets_no_answer(proxy: FaultProxy, service: Service) -> None:
    with proxy.delivering(Delivery.HALF):
        assert received(proxy) == b""
    assert service.paths == []


def test_requests_are_held_until_all_of_them_are_there(proxy: FaultProxy, service: Service) -> None:
    with proxy.gathering(2), ThreadPoolExecutor(2) as pool:
        first = pool.submit(received, proxy, 20.0)
        assert not first.done()
        assert service.paths == []
        assert ANSWER in received(proxy, 20.0)
        assert ANSWER in first.result()
