"""Whatever the service does, a call ends by its deadline and says what it knows."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from breakwall.payments.gateways import Health, LookupResult, Outcome
from breakwall.payments.gateways.transport import resolver as resolver_module
from tests.integration.gateway_fixtures import ORDER, Serve, charge, gateway_to, within
from tests.integration.gateway_stub import PAID, Script, StubConnection, after_reading, answering, response

SECONDS = 0.4


def reset_at_once(connection: StubConnection) -> None:
    connection.sock.recv(1)
    connection.reset()


OK = b"HTTP/1.1 200 OK\r\n"
MISBEHAVIOURS: dict[str, Script] = {
    "drips headers": after_reading(drip=response(200, PAID, "X-Padding: " + "x" * 500)),
    "drips a body": after_reading(OK + b"Content-Length: 500\r\n\r\n", drip=PAID + b" " * 500),
    "drips chunks": after_reading(OK + b"Transfer-Encoding: chunked\r\n\r\n", drip=b"1\r\n \r\n" * 500),
    "sends continues for ever": after_reading(endless=b"HTTP/1.1 100 Continue\r\n\r\n" * 10),
    "hangs before reading": StubConnection.hang,
    "hangs after reading": after_reading(then=StubConnection.hang),
    "hangs in the body": after_reading(response(200, PAID)[:-1], then=StubConnection.hang),
    "resets at once": reset_at_once,
    "resets after reading": after_reading(then=StubConnection.reset),
    "resets in the body": after_reading(response(200, PAID)[:-5], then=StubConnection.reset),
    "closes after reading": after_reading(),
    "closes in the headers": after_reading(OK + b"Content-"),
    "closes in the body": after_reading(response(200, PAID)[:-1]),
    "answers garbage": after_reading(b"\x00\xffSSH-2.0-OpenSSH_9.9\r\n\r\n" * 50),
    "sends headers for ever": after_reading(OK, endless=b"X-Header: " + b"x" * 60_000 + b"\r\n"),
    "sends a body for ever": after_reading(
        OK + b"Content-Length: 100000000\r\n\r\n" + PAID, endless=b" " * 100_000
    ),
}


@pytest.mark.parametrize("script", MISBEHAVIOURS.values(), ids=MISBEHAVIOURS)
def test_a_charge_that_reached_the_service_is_unknown_in_time(serve: Serve, script: Script) -> None:
    with gateway_to(serve(script).url) as gateway:
        seen = within(SECONDS, lambda deadline: gateway.charge(ORDER, deadline=deadline))
    assert (seen.outcome, seen.health) == (Outcome.UNKNOWN, Health.FAILURE)


@pytest.mark.parametrize("script", MISBEHAVIOURS.values(), ids=MISBEHAVIOURS)
def test_a_lookup_is_unavailable_in_time(serve: Serve, script: Script) -> None:
    with gateway_to(serve(script).url) as gateway:
        seen = within(SECONDS, lambda deadline: gateway.look_up("k", deadline=deadline))
    assert (seen.result, seen.health) == (LookupResult.UNAVAILABLE, Health.FAILURE)


def test_a_slow_but_whole_answer_within_the_deadline_counts(serve: Serve) -> None:
    def slow(connection: StubConnection) -> None:
        connection.request()
        connection.drip(response(200, PAID), every=0.002)

    with gateway_to(serve(slow).url) as gateway:
        assert charge(gateway, 10).outcome is Outcome.SUCCEEDED


@pytest.mark.parametrize("seconds", [0.0, -1.0])
def test_past_the_deadline_nothing_is_sent(serve: Serve, seconds: float) -> None:
    server = serve(answering(response(200, PAID)))
    with gateway_to(server.url) as gateway:
        seen = within(0.0, lambda now: gateway.charge(ORDER, deadline=now + seconds))
    assert (seen.outcome, seen.health) == (Outcome.NOT_SENT, Health.NEUTRAL)
    assert server.connections == 0


def test_a_refused_connection_sent_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with gateway_to(f"http://127.0.0.1:{port}") as gateway:
        seen = within(SECONDS, lambda deadline: gateway.charge(ORDER, deadline=deadline))
    assert (seen.outcome, seen.health) == (Outcome.NOT_SENT, Health.FAILURE)
    assert "refused" in seen.detail


@pytest.fixture
def full_backlog() -> Iterator[int]:
    """The port of a listener that accepts nothing and whose queue is full: connecting to it hangs."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        address = listener.getsockname()
        waiting = [socket.socket() for _ in range(8)]
        for sock in waiting:
            sock.setblocking(False)
            sock.connect_ex(address)
        yield address[1]
        for sock in waiting:
            sock.close()


def test_a_connection_that_does_not_come_about_sent_nothing(full_backlog: int) -> None:
    with gateway_to(f"http://127.0.0.1:{full_backlog}") as gateway:
        seen = within(SECONDS, lambda deadline: gateway.charge(ORDER, deadline=deadline))
    assert (seen.outcome, seen.health, seen.code) == (Outcome.NOT_SENT, Health.FAILURE, "ConnectTimeout")


def names(monkeypatch: pytest.MonkeyPatch, reply: Callable[[], Any]) -> None:
    system = socket.getaddrinfo

    def ask(host: str, port: int, flags: int = 0, **kwargs: Any) -> Any:
        if flags & socket.AI_NUMERICHOST:
            return system(host, port, flags=flags, **kwargs)
        return reply()

    monkeypatch.setattr(resolver_module.socket, "getaddrinfo", ask)


def test_a_hung_name_service_sent_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()
    names(monkeypatch, lambda: release.wait(30))
    with gateway_to("http://pay.example") as gateway:
        seen = within(SECONDS, lambda deadline: gateway.charge(ORDER, deadline=deadline))
    release.set()
    assert (seen.outcome, seen.health, seen.code) == (Outcome.NOT_SENT, Health.FAILURE, "ConnectTimeout")


def test_an_unknown_name_sent_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    names(monkeypatch, fail)
    with gateway_to("http://pay.example") as gateway:
        seen = within(SECONDS, lambda deadline: gateway.charge(ORDER, deadline=deadline))
    assert (seen.outcome, seen.health) == (Outcome.NOT_SENT, Health.FAILURE)
    assert "Name or service not known" in seen.detail


def test_an_unreachable_address_leaves_time_for_the_next(
    serve: Serve, full_backlog: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(answering(response(200, PAID)))
    found = [
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))
        for port in (full_backlog, server.port)
    ]
    names(monkeypatch, lambda: found)
    with gateway_to("http://pay.example") as gateway:
        seen = within(1.0, lambda deadline: gateway.charge(ORDER, deadline=deadline))
    assert seen.outcome is Outcome.SUCCEEDED


def test_many_unreachable_addresses_together_take_no_longer_than_the_deadline(
    full_backlog: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", full_backlog))
    names(monkeypatch, lambda: [address] * 6)
    with gateway_to("http://pay.example") as gateway:
        seen = within(SECONDS, lambda deadline: gateway.charge(ORDER, deadline=deadline))
    assert seen.outcome is Outcome.NOT_SENT


def test_fifty_threads_each_keep_their_own_deadline(serve: Serve) -> None:
    server = serve(MISBEHAVIOURS["drips headers"])
    late: list[float] = []
    outcomes: list[Outcome] = []

    def call(seconds: float) -> None:
        start = time.monotonic()
        outcomes.append(gateway.charge(ORDER, deadline=start + seconds).outcome)
        late.append(time.monotonic() - start - seconds)

    with gateway_to(server.url) as gateway:
        threads = [threading.Thread(target=call, args=(0.2 + 0.03 * n,)) for n in range(50)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert outcomes == [Outcome.UNKNOWN] * 50
    assert min(late) >= -0.05, "a call was bounded by another call's deadline"
    assert max(late) <= 1.0, "a call outlived its deadline"
