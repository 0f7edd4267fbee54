"""A producer in the hosts that shops use: each order gets its own result, also after a fork or a patch."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from uuid import uuid4

import pytest

from breakwall.payments.db.database import Database
from breakwall.payments.db.migrate import upgrade
from tests.servers import PostgresServer, RedisServer, Workspace, not_available
from tests.stopwatch import timed

WORKERS = 4
ORDERS = 80


class Service(BaseHTTPRequestHandler):
    """A payment service whose charge ids hold the order's key."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        order = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        time.sleep(0.01)
        answer = json.dumps({"status": "succeeded", "charge_id": f"of-{order['reference']}"}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def service() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Service)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


class Host:
    """One host process tree that serves `shop`."""

    def __init__(self, port: int, log: Path) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.log = log

    def place(self, key: str, timeout: float = 30.0) -> dict[str, Any]:
        with urllib.request.urlopen(f"{self.url}/{key}", timeout=timeout) as answer:
            found: dict[str, Any] = json.load(answer)
        return found

    def place_all(self, count: int) -> list[dict[str, Any]]:
        """Place so many orders, 16 at a time; the tests of this file share a database."""
        with ThreadPoolExecutor(16) as pool:
            return list(pool.map(self.place, [f"cart-{uuid4().hex[:8]}" for _ in range(count)]))


Start = Callable[..., Host]


@pytest.fixture
def start(service: str, tmp_path: Path, workspace: Workspace) -> Iterator[Start]:
    """Starts a host: a command with ``{port}`` in it."""
    with contextlib.ExitStack() as running:

        def start(*command: str, **environ: str) -> Host:
            port = workspace.free_port()
            log = tmp_path / "host.log"
            process = subprocess.Popen(
                [word.format(port=port) for word in command],
                cwd=Path(__file__).parent,
                stdout=running.enter_context(log.open("wb")),
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env={
                    **{
                        name: value for name, value in os.environ.items() if not name.startswith("BREAKWALL_")
                    },
                    "BREAKWALL_DATA_DIR": str(tmp_path / "data"),
                    "BREAKWALL_PAYMENT_URL": service,
                    **environ,
                },
            )
            running.callback(_end, process)
            host = Host(port, log)
            _wait_until_it_serves(host, process)
            return host

        yield start


def _end(process: subprocess.Popen[bytes]) -> None:
    # Killed with its workers: some of these hosts are made to hang.
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _wait_until_it_serves(host: Host, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{host.url}/", timeout=30):
            return
        time.sleep(0.1)
    pytest.fail(f"the host does not serve:\n{host.log.read_text()[-3000:]}")


@pytest.fixture
def hanging() -> Iterator[str]:
    """A service that accepts connections and never answers."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(100)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


@pytest.fixture(scope="module")
def servers(_postgres: PostgresServer, _redis: RedisServer) -> Iterator[dict[str, str]]:
    """The settings of a shop on real servers, which answer, whatever the test before did to them."""
    _postgres.ensure_running()
    _redis.ensure_running()
    url, redis = _postgres.fresh_url(), _redis.fresh_url()
    database = Database(url)
    upgrade(database.engine)
    database.close()
    yield {
        "BREAKWALL_DATABASE_URL": url,
        "BREAKWALL_BROKER_URL": redis,
        "BREAKWALL_BREAKER_STORE_URL": redis,
    }
    _postgres.drop(url)


def program(name: str, package: str) -> str:
    found = Path(sys.executable).parent / name
    if not found.exists():
        not_available(name, f"pip install {package}")
    return str(found)


def assert_each_has_its_own_result(results: list[dict[str, Any]]) -> None:
    """Each that is paid has its own charge. On a busy machine, the limit may queue some."""
    wrong = [
        result
        for result in results
        if (result.get("status"), result.get("charge"))
        not in {("paid", f"of-{result['key']}"), ("queued", None)}
    ]
    assert wrong == []
    assert sum(result["status"] == "paid" for result in results) >= len(results) / 4


def uwsgi(*more: str) -> list[str]:
    return [
        program("uwsgi", "pyuwsgi"),
        *("--http-socket", "127.0.0.1:{port}", "--wsgi-file", "shop.py"),
        *("--master", "--workers", str(WORKERS), *more),
    ]


def gunicorn(*more: str, workers: int = WORKERS) -> list[str]:
    bound = ("-w", str(workers), "-b", "127.0.0.1:{port}", "--no-control-socket")
    return [program("gunicorn", "gunicorn"), *bound, *more, "shop:application"]


def test_uwsgi_that_forks_without_pythons_knowledge(start: Start, servers: dict[str, str]) -> None:
    """No ``--py-call-osafterfork``, no ``--enable-threads``, and everything was in use before the fork."""
    host = start(*uwsgi(), SHOP_BEFORE="8", **servers)
    results = host.place_all(ORDERS)
    assert_each_has_its_own_result(results)
    assert len({result["pid"] for result in results}) > 1


def test_gunicorn_that_forks_a_loaded_shop(start: Start, servers: dict[str, str]) -> None:
    host = start(*gunicorn("--preload"), SHOP_BEFORE="8", **servers)
    results = host.place_all(ORDERS)
    assert_each_has_its_own_result(results)
    assert len({result["pid"] for result in results}) > 1


def test_gevent_that_patches_first(start: Start, servers: dict[str, str]) -> None:
    host = start(*gunicorn("-k", "gevent", workers=1), **servers)
    assert_each_has_its_own_result(host.place_all(ORDERS))


def test_under_gevent_the_bounds_hold_and_no_order_waits_for_another(
    start: Start, servers: dict[str, str], hanging: str
) -> None:
    redis = hanging.replace("http", "redis")
    dead = {
        "BREAKWALL_BROKER_URL": redis,
        "BREAKWALL_BREAKER_STORE_URL": redis,
        # A name, so that the resolver's thread is used.
        "BREAKWALL_PAYMENT_URL": hanging.replace("127.0.0.1", "localhost"),
        "BREAKWALL_PAYMENT_TIMEOUT": "1",
        "BREAKWALL_BREAKER__FAILURE_THRESHOLD": "1000",
    }
    host = start(*gunicorn("-k", "gevent", workers=1), **servers | dead)
    results, seconds = timed(lambda: host.place_all(16))
    assert [result.get("status") for result in results] == ["queued"] * 16
    assert seconds < 10, "one after the other they would take 16 s"


def test_gevent_that_patches_late_is_refused(start: Start) -> None:
    host = start(*gunicorn("-k", "gevent", "--preload"), SHOP_BEFORE="1")
    said = host.place("cart-1")["error"]
    assert said.startswith("HostError")
    assert "leave --preload out" in said


@pytest.mark.parametrize("when", ["early", "late"])
def test_eventlet_is_refused(start: Start, when: str) -> None:
    host = start(sys.executable, "eventlet_server.py", "{port}", when)
    said = host.place("cart-1")["error"]
    assert said.startswith("HostError")
    assert "eventlet" in said
