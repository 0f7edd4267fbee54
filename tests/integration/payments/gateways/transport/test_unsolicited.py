"""An answer belongs to its request: nothing else that is on a connection is taken for one.

A service that answers twice, or one behind a proxy that mixes connections up, would otherwise have an order
`paid` with another order's charge.
"""

from __future__ import annotations

import itertools
import select
import socket
import ssl
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from breakwall.payments.gateways import Health, LookupResult, Outcome
from breakwall.payments.gateways.http import HttpGateway
from breakwall.payments.gateways.transport import deadline
from breakwall.payments.gateways.transport.deadline import DeadlineStream
from tests.integration.gateway_fixtures import ORDER, Serve, charge, gateway_to
from tests.integration.gateway_stub import PAID, StubConnection, StubServer, response
from tests.integration.tls_fixtures import make_certificate
from tests.integration.tls_peer import TlsPeer


def paid(number: int) -> bytes:
    return response(200, b'{"status": "succeeded", "charge_id": "ch_%d"}' % number)


STRAY = paid(99)


@dataclass
class StrayService:
    """Answers its n-th request with ``ch_n``, in plain text or TLS, and more than one answer."""

    tls: ssl.SSLContext | None
    strays: list[tuple[int, bool]]
    """For each answer: how many bytes of the stray come before the next request, and whether with the answer."""
    answered: int = 0
    all_sent: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    def __call__(self, connection: StubConnection) -> None:
        peer = TlsPeer(connection, self.tls) if self.tls else None
        seal = peer.seal if peer else bytes
        rest = b""
        while peer.request() if peer else connection.request():
            connection.send(rest)
            rest = self._answer(connection, seal)

    def _answer(self, connection: StubConnection, seal: Callable[[bytes], bytes]) -> bytes:
        self.answered += 1
        begun, together = self.strays.pop(0) if self.strays else (0, True)
        answer = seal(paid(self.answered))
        stray = seal(STRAY) if begun else b""
        for segment in [answer + stray[:begun]] if together else [answer, stray[:begun]]:
            connection.send(segment)
        self.all_sent.release()
        return stray[begun:]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_certificate(tmp_path_factory.mktemp("tls"), "IP:127.0.0.1")


@pytest.fixture(params=["http", "https"])
def tls(request: pytest.FixtureRequest) -> ssl.SSLContext | None:
    if request.param == "http":
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(request.getfixturevalue("certificate"))
    return context


@pytest.fixture
def trusting(tls: ssl.SSLContext | None, request: pytest.FixtureRequest) -> ssl.SSLContext | None:
    return tls and ssl.create_default_context(cafile=str(request.getfixturevalue("certificate")))


def url_of(server: StubServer, tls: ssl.SSLContext | None) -> str:
    return server.url.replace("http:", "https:") if tls else server.url


def charges(gateway: HttpGateway, service: StrayService, count: int) -> list[str | None]:
    """The charges' ids; each is asked for only when all that comes before it is there."""
    ids = []
    for _ in range(count):
        ids.append(charge(gateway).charge_id)
        assert service.all_sent.acquire(timeout=60)
    return ids


class TestAStrayAnswerThatBeginsWithOursAndEndsAfterTheNextRequest:
    @pytest.mark.parametrize("begun", [1, 5, 20, len(STRAY) - 1, len(STRAY)])
    def test_ours_counts_and_the_next_order_gets_its_own(
        self, serve: Serve, tls: ssl.SSLContext | None, trusting: ssl.SSLContext | None, begun: int
    ) -> None:
        service = StrayService(tls, [(begun, True)])
        server = serve(service)
        with gateway_to(url_of(server, tls), keepalive=60, tls=trusting) as gateway:
            assert charges(gateway, service, 3) == ["ch_1", "ch_2", "ch_3"]
        assert server.connections == 2

    @pytest.mark.parametrize("chunk", [1, deadline.CHUNK], ids=["pending in TLS", "in the parser"])
    def test_the_same_within_one_tls_record(
        self, serve: Serve, certificate: Path, monkeypatch: pytest.MonkeyPatch, chunk: int
    ) -> None:
        monkeypatch.setattr(deadline, "CHUNK", chunk)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        numbers = itertools.count(1)

        def in_one_record(connection: StubConnection) -> None:
            peer = TlsPeer(connection, context)
            peer.request()
            connection.send(peer.seal(paid(next(numbers)) + STRAY[:40]))
            peer.request()
            connection.send(peer.seal(STRAY[40:]))

        trusting = ssl.create_default_context(cafile=str(certificate))
        server = serve(in_one_record)
        with gateway_to(url_of(server, context), keepalive=60, tls=trusting) as gateway:
            assert [charge(gateway).charge_id for _ in range(3)] == ["ch_1", "ch_2", "ch_3"]

    def test_the_connection_is_closed_at_once(
        self, serve: Serve, tls: ssl.SSLContext | None, trusting: ssl.SSLContext | None
    ) -> None:
        closed = threading.Event()

        def answer_twice(connection: StubConnection) -> None:
            try:
                StrayService(tls, [(20, True)])(connection)
            finally:
                closed.set()  # in order or, with bytes unread, by a reset

        with gateway_to(url_of(serve(answer_twice), tls), keepalive=60, tls=trusting) as gateway:
            assert charge(gateway).charge_id == "ch_1"
            assert closed.wait(60)


@settings(max_examples=60, deadline=None)
@given(strays=st.lists(st.tuples(st.integers(0, len(STRAY) + 22), st.booleans()), min_size=1, max_size=6))
@pytest.mark.parametrize("encrypted", [False, True], ids=["http", "https"])
def test_wherever_a_stray_answer_is_cut_no_order_gets_anothers_charge(
    certificate: Path, encrypted: bool, strays: list[tuple[int, bool]]
) -> None:
    tls = trusting = None
    if encrypted:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(certificate)
        trusting = ssl.create_default_context(cafile=str(certificate))
    service = StrayService(tls, list(strays))
    server = StubServer(service)
    count = len(strays) + 1
    with gateway_to(url_of(server, tls), keepalive=60, tls=trusting) as gateway:
        assert charges(gateway, service, count) == [f"ch_{n}" for n in range(1, count + 1)]
    server.close()


@pytest.mark.parametrize(
    "answer",
    [
        response(503) + STRAY,
        response(503, b"{}") + b"{}",
        response(503, b"{}") + b"\r\n",
        response(503) + b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.1 204 No Content\r\nContent-Length: 44\r\n\r\n" + PAID,
        b"HTTP/1.1 304 Not Modified\r\n\r\n" + STRAY,
        b"HTTP/1.1 503 S\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nA: b\r\n\r\n" + STRAY,
        b"HTTP/1.0 503 S\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\n{}" + STRAY,
    ],
    ids=["an answer", "more body", "a line", "100", "204", "304", "behind trailers", "HTTP/1.0"],
)
def test_a_connection_with_anything_left_over_is_dropped(serve: Serve, answer: bytes) -> None:
    answers = [answer, paid(2)]

    def one_too_many(connection: StubConnection) -> None:
        while connection.request():
            connection.send(answers.pop(0))

    server = serve(one_too_many)
    with gateway_to(server.url, keepalive=60) as gateway:
        assert charge(gateway).outcome is Outcome.UNKNOWN
        assert charge(gateway).charge_id == "ch_2"
    assert server.connections == 2


def test_bytes_behind_an_answer_that_ends_with_its_connection_make_it_unreadable(serve: Serve) -> None:
    def to_the_end(connection: StubConnection) -> None:
        connection.request()
        connection.send(b"HTTP/1.1 200 OK\r\n\r\n" + PAID + STRAY)

    with gateway_to(serve(to_the_end).url) as gateway:
        assert charge(gateway).outcome is Outcome.UNKNOWN


@pytest.fixture
def said_first(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Once set, everything that the service says of itself is there before the request is written."""
    said = threading.Event()
    write = DeadlineStream.write

    def write_late(self: DeadlineStream, request: bytes, call: deadline.Call) -> None:
        said.wait(60)
        select.select([self._sock], [], [], 60)
        write(self, request, call)

    monkeypatch.setattr(DeadlineStream, "write", write_late)
    return said


def test_to_a_service_that_speaks_first_nothing_is_sent(
    serve: Serve,
    tls: ssl.SSLContext | None,
    trusting: ssl.SSLContext | None,
    said_first: threading.Event,
) -> None:
    read: list[bytes] = []

    def speak_first(connection: StubConnection) -> None:
        peer = TlsPeer(connection, tls) if tls else None
        connection.send(peer.seal(STRAY) if peer else STRAY)
        said_first.set()
        read.append(peer.request() if peer else connection.request())

    with gateway_to(url_of(serve(speak_first), tls), tls=trusting) as gateway:
        seen = charge(gateway)
    assert (seen.outcome, seen.health) == (Outcome.NOT_SENT, Health.FAILURE)
    assert not any(read)


def test_a_tls_record_that_has_only_begun_counts_as_speaking_first(
    serve: Serve, certificate: Path, said_first: threading.Event
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    def begin_to_speak(connection: StubConnection) -> None:
        peer = TlsPeer(connection, context)
        stray = peer.seal(STRAY)
        connection.send(stray[:30])
        said_first.set()
        peer.request()
        connection.send(stray[30:])
        connection.hang()

    trusting = ssl.create_default_context(cafile=str(certificate))
    with gateway_to(url_of(serve(begin_to_speak), context), tls=trusting) as gateway:
        assert charge(gateway, 1).outcome is Outcome.NOT_SENT


def test_session_tickets_before_the_request_are_no_answer(
    serve: Serve, certificate: Path, said_first: threading.Event
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    said_first.set()
    trusting = ssl.create_default_context(cafile=str(certificate))
    with gateway_to(url_of(serve(StrayService(context, [])), context), tls=trusting) as gateway:
        assert charge(gateway).charge_id == "ch_1"


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """A service whose kernel takes in only a part of a large request until it is read."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        listener.settimeout(60)
        yield listener


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Set when a call has read something."""
    heard = threading.Event()
    read = DeadlineStream.read

    def read_and_tell(self: DeadlineStream, call: deadline.Call) -> bytes:
        data = read(self, call)
        heard.set()
        return data

    monkeypatch.setattr(DeadlineStream, "read", read_and_tell)
    return heard


LARGE = replace(ORDER, user_id="u" * 12_000)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux says what is undelivered")
@pytest.mark.parametrize(
    ("early", "outcome"),
    [(b"HTTP/1.1 100 Continue\r\n\r\n", Outcome.SUCCEEDED), (STRAY[:30], Outcome.UNKNOWN)],
    ids=["100", "an answer"],
)
def test_an_answer_that_began_before_the_whole_request_was_there_does_not_count(
    narrow: socket.socket, heard: threading.Event, early: bytes, outcome: Outcome
) -> None:
    seen: list[Outcome] = []

    def call() -> None:
        with gateway_to(f"http://127.0.0.1:{narrow.getsockname()[1]}") as gateway:
            seen.append(charge(gateway, 60, LARGE).outcome)

    calling = threading.Thread(target=call)
    calling.start()
    sock, _ = narrow.accept()
    with sock:
        sock.recv(1, socket.MSG_PEEK)
        sock.sendall(early)
        assert heard.wait(60)
        StubConnection(sock, threading.Event()).request()
        sock.sendall(STRAY[30:] if early == STRAY[:30] else paid(1))
        calling.join()
    assert seen == [outcome]


def test_a_lookup_takes_no_stray_answer_either(serve: Serve) -> None:
    def absent_twice(connection: StubConnection) -> None:
        connection.request()
        connection.send(response(404) + response(404)[:20])
        connection.request()
        connection.send(response(404)[20:])

    server = serve(absent_twice)
    with gateway_to(server.url, keepalive=60) as gateway:
        for _ in range(2):
            seen = gateway.look_up("k", deadline=time.monotonic() + 60)
            assert seen.result is LookupResult.ABSENT
    assert server.connections == 2
