"""What becomes of a request whose call has ended: the kernel must not deliver it afterwards."""

from __future__ import annotations

import json
import os
import queue
import select
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from breakwall.payments.gateways import Outcome
from breakwall.payments.gateways.transport import deadline
from tests.integration.gateway_fixtures import ORDER, charge, gateway_to
from tests.integration.gateway_stub import PAID, StubConnection, StubServer, response
from tests.integration.tls_fixtures import make_certificate

SECONDS = 0.4
HERE = Path(__file__).parent
CALLER = """
import sys
from tests.integration.gateway_fixtures import charge, gateway_to
with gateway_to(sys.argv[1], keepalive=60) as gateway:
    charge(gateway, 60)
    print("answered", flush=True)
    sys.stdin.read()
"""


class ObservingService:
    """Answers the first ``answers`` requests of each connection, then says how the connection ended."""

    def __init__(self, answers: int, tls: ssl.SSLContext | None = None) -> None:
        self._answers = answers
        self._ends: queue.Queue[str] = queue.Queue()
        self.asked = threading.Event()
        self.server = StubServer(self._serve, tls)
        self.url = self.server.url

    def end(self) -> str:
        """How the next connection to end did: ``"in order"`` or by a ``"reset"``."""
        return self._ends.get(timeout=60)

    def has_ended(self) -> bool:
        return not self._ends.empty()

    def _serve(self, connection: StubConnection) -> None:
        for _ in range(self._answers):
            connection.request()
            connection.send(response(200, PAID))
        # Checked below TLS: OpenSSL answers an unannounced end with an alert, which would cause a reset.
        with socket.socket(fileno=os.dup(connection.sock.fileno())) as raw:
            raw.settimeout(60)
            try:
                while raw.recv(1, socket.MSG_PEEK):
                    connection.request()
                    self.asked.set()
                self._ends.put("in order")
            except ConnectionResetError:
                self._ends.put("reset")


Start = Callable[[int], ObservingService]


@pytest.fixture(params=["http", "https"])
def start(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Start]:
    services: list[ObservingService] = []
    tls = None
    if request.param == "https":
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate = make_certificate(tmp_path, "IP:127.0.0.1")
        tls.load_cert_chain(certificate)
        request.getfixturevalue("monkeypatch").setenv("SSL_CERT_FILE", str(certificate))

    def run(answers: int) -> ObservingService:
        services.append(ObservingService(answers, tls))
        return services[-1]

    yield run
    for service in services:
        service.server.close()


def test_the_service_sees_a_reset_when_a_call_is_abandoned(start: Start) -> None:
    service = start(0)
    with gateway_to(service.url) as gateway:
        assert charge(gateway, SECONDS).outcome is Outcome.UNKNOWN
        assert service.end() == "reset"


def test_the_same_on_a_kept_connection_that_was_answered_before(start: Start) -> None:
    service = start(1)
    with gateway_to(service.url) as gateway:
        assert charge(gateway).outcome is Outcome.SUCCEEDED
        assert charge(gateway, SECONDS).outcome is Outcome.UNKNOWN
        assert service.end() == "reset"
    assert service.server.connections == 1


def test_the_service_sees_a_reset_when_it_says_nothing_more_itself() -> None:
    ends: queue.Queue[bytes | OSError] = queue.Queue()

    def fall_silent(connection: StubConnection) -> None:
        connection.request()
        connection.sock.shutdown(socket.SHUT_WR)
        try:
            ends.put(connection.sock.recv(1))
        except OSError as error:
            ends.put(error)

    server = StubServer(fall_silent)
    with gateway_to(server.url) as gateway:
        assert charge(gateway).outcome is Outcome.UNKNOWN
    assert isinstance(ends.get(timeout=60), ConnectionResetError)
    server.close()


def environ_of_children() -> dict[str, str]:
    """The tree that this file is in comes first on their path, before an installed one."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE.parents[4]), *sys.path])}


def caller(service: ObservingService) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", CALLER, service.url]
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environ_of_children()
    )


def test_the_service_sees_a_reset_when_the_process_is_killed_in_a_call(start: Start) -> None:
    service = start(0)
    with caller(service) as process:
        assert service.asked.wait(60)
        process.kill()
        assert service.end() == "reset"


def test_an_idle_connection_of_a_killed_process_ends_in_order(start: Start) -> None:
    service = start(1)
    with caller(service) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "answered\n"
        process.kill()
        assert service.end() == "in order"


def test_an_answered_connection_is_closed_in_order(start: Start) -> None:
    service = start(2)
    with gateway_to(service.url, keepalive=60) as gateway:
        assert [charge(gateway).outcome for _ in range(2)] == [Outcome.SUCCEEDED] * 2
    assert service.end() == "in order"


def test_an_answered_connection_that_was_idle_for_too_long_is_closed_in_order(start: Start) -> None:
    service = start(1)
    with gateway_to(service.url, keepalive=0.0) as gateway:
        assert [charge(gateway).outcome for _ in range(2)] == [Outcome.SUCCEEDED] * 2
        assert service.end() == "in order"


def fork() -> int:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the stub's threads do not matter to the child
        return os.fork()


def test_a_forked_child_that_exits_disturbs_no_call_of_its_parent(start: Start) -> None:
    service = start(0)
    with gateway_to(service.url) as gateway:
        calling = threading.Thread(target=charge, args=(gateway, 2.0))
        calling.start()
        assert service.asked.wait(60)
        if not (child := fork()):
            os._exit(0)
        os.waitpid(child, 0)
        assert not service.has_ended()
        assert calling.is_alive(), "the call ended with the child"
        calling.join()
        assert service.end() == "reset"


@pytest.fixture
def deaf() -> Iterator[socket.socket]:
    """A service that does not read and whose kernel takes in only a small part of a request."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener


LARGE = replace(ORDER, user_id="u" * 12_000)


def executed(connection: socket.socket) -> bool:
    """Whether the service, now that it reads, gets a whole request."""
    received = b""
    with connection:
        connection.settimeout(60)
        try:
            while more := connection.recv(65_536):
                received += more
        except ConnectionResetError:
            return False
    head, _, body = received.partition(b"\r\n\r\n")
    assert f"content-length: {len(body)}" in head.decode().lower(), "a part of a request, without a reset"
    return json.loads(body)["user_id"] == LARGE.user_id


def test_an_undelivered_request_is_never_delivered_after_its_call(deaf: socket.socket) -> None:
    with gateway_to(f"http://127.0.0.1:{deaf.getsockname()[1]}") as gateway:
        assert charge(gateway, SECONDS, LARGE).outcome is Outcome.UNKNOWN
        assert not executed(deaf.accept()[0])


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux says what is undelivered")
@pytest.mark.parametrize(
    "said",
    [response(408), b"HTTP/1.1 100 Continue\r\n\r\n", response(200, PAID)],
    ids=["whole", "begun", "a success"],
)
def test_an_answer_from_before_the_whole_request_arrived_does_not_change_that(
    deaf: socket.socket, said: bytes
) -> None:
    accepted: list[socket.socket] = []

    def answer_too_early() -> None:
        accepted.append(deaf.accept()[0])
        accepted[0].recv(1, socket.MSG_PEEK)  # a part of the request is there, and will never be whole
        accepted[0].sendall(said)

    answering = threading.Thread(target=answer_too_early)
    answering.start()
    with gateway_to(f"http://127.0.0.1:{deaf.getsockname()[1]}") as gateway:
        assert charge(gateway, SECONDS, LARGE).outcome is Outcome.UNKNOWN
    answering.join()
    assert not executed(accepted[0])


@pytest.mark.skipif(sys.platform != "linux", reason="TCP_USER_TIMEOUT is Linux's")
def test_an_open_copy_of_the_socket_does_not_change_that(
    deaf: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A child that was forked during the call holds such a copy: closing ours then ends nothing."""
    copies: list[socket.socket] = []
    connect = deadline._connect

    def keep_a_copy(*args: object) -> socket.socket:
        sock = connect(*args)  # type: ignore[arg-type] # passed on as they came
        copies.append(sock.dup())
        return sock

    monkeypatch.setattr(deadline, "_connect", keep_a_copy)
    with gateway_to(f"http://127.0.0.1:{deaf.getsockname()[1]}") as gateway:
        assert charge(gateway, SECONDS, LARGE).outcome is Outcome.UNKNOWN
    ended = select.poll()
    ended.register(copies[0], 0)  # an error and a hang-up are always reported
    ended.poll(60_000)
    assert not executed(deaf.accept()[0])
    copies[0].close()


def test_a_request_that_a_network_partition_held_back_is_not_delivered_when_it_is_over() -> None:
    unshare = shutil.which("unshare")
    namespace = [unshare or "", "--user", "--map-root-user", "--net"]
    if not unshare or subprocess.run([*namespace, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this machine gives no private network to a user without rights")
    command = [*namespace, sys.executable, "-m", "tests.integration.partition"]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=60, env=environ_of_children()
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "before succeeded, cut_off unknown, executed ['before']"
