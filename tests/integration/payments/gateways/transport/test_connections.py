"""Which connections the HTTP gateway uses: its pool, kept connections, a fork."""

from __future__ import annotations

import os
import threading
import time
import warnings

import pytest

from breakwall.payments.gateways import Health, Outcome
from breakwall.payments.gateways.transport import deadline
from breakwall.payments.gateways.transport.deadline import Call
from tests.integration.gateway_fixtures import ORDER, Serve, charge, gateway_to, within
from tests.integration.gateway_stub import PAID, StubConnection, after_reading, answering, response


def test_a_connection_is_kept_for_the_next_charge(serve: Serve) -> None:
    server = serve(answering(response(200, PAID)))
    with gateway_to(server.url) as gateway:
        assert [charge(gateway).outcome for _ in range(5)] == [Outcome.SUCCEEDED] * 5
    assert server.connections == 1


def test_an_idle_connection_is_closed_after_its_time(serve: Serve) -> None:
    server = serve(answering(response(200, PAID)))
    with gateway_to(server.url, keepalive=0.0) as gateway:
        assert [charge(gateway).outcome for _ in range(3)] == [Outcome.SUCCEEDED] * 3
    assert server.connections == 3


def test_a_connection_that_the_server_closed_meanwhile_is_noticed(serve: Serve) -> None:
    closed = threading.Semaphore(0)

    def once(connection: StubConnection) -> None:
        connection.request()
        connection.send(response(200, PAID))
        connection.sock.close()
        closed.release()

    with gateway_to(serve(once).url, keepalive=60) as gateway:
        for _ in range(3):
            assert charge(gateway).outcome is Outcome.SUCCEEDED
            closed.acquire(timeout=60)


def test_a_kept_connection_that_closes_under_the_request_leaves_it_unknown(serve: Serve) -> None:
    def hang_up_on_the_second(connection: StubConnection) -> None:
        connection.request()
        connection.send(response(200, PAID))
        connection.request()

    with gateway_to(serve(hang_up_on_the_second).url) as gateway:
        assert charge(gateway).outcome is Outcome.SUCCEEDED
        assert charge(gateway).outcome is Outcome.UNKNOWN


def test_a_first_send_that_the_system_refuses_is_proven_unsent(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    answered, gone = threading.Event(), threading.Event()

    def reset_when_idle(connection: StubConnection) -> None:
        connection.request()
        connection.send(response(200, PAID))
        answered.wait(60)
        connection.reset()
        gone.set()

    server = serve(reset_when_idle)
    with gateway_to(server.url, keepalive=60) as gateway:
        assert charge(gateway).outcome is Outcome.SUCCEEDED
        answered.set()
        gone.wait(60)
        # The pool checks a connection before its use; here the reset comes just after the check.
        monkeypatch.setattr(deadline, "has_unsolicited_data", lambda sock: False)
        seen = charge(gateway)
    assert (seen.outcome, seen.health) == (Outcome.NOT_SENT, Health.NEUTRAL)
    assert len(server.requests) == 1


def test_our_own_full_pool_sends_nothing_and_is_no_failure_of_the_service(serve: Serve) -> None:
    arrived = threading.Event()

    def hang(connection: StubConnection) -> None:
        connection.request()
        arrived.set()
        connection.hang()

    server = serve(hang)
    with gateway_to(server.url, max_connections=1, pool_wait=0.1) as gateway:
        other = threading.Thread(target=charge, args=(gateway, 1.0))
        other.start()
        arrived.wait(60)
        seen = within(0.1, lambda now: gateway.charge(ORDER, deadline=now + 10))
        other.join()
    assert (seen.outcome, seen.health, seen.code) == (Outcome.NOT_SENT, Health.NEUTRAL, "PoolFullError")
    assert server.connections == 1


def test_waiting_for_a_connection_counts_towards_the_deadline(serve: Serve) -> None:
    arrived = threading.Event()

    def hang(connection: StubConnection) -> None:
        connection.request()
        arrived.set()
        connection.hang()

    with gateway_to(serve(hang).url, max_connections=1, pool_wait=60) as gateway:
        other = threading.Thread(target=charge, args=(gateway, 1.5))
        other.start()
        arrived.wait(60)
        seen = within(0.2, lambda deadline: gateway.charge(ORDER, deadline=deadline))
        other.join()
    assert seen.outcome is Outcome.NOT_SENT


def test_a_failed_call_gives_its_connection_back(serve: Serve) -> None:
    with gateway_to(
        serve(after_reading(then=StubConnection.reset)).url, max_connections=2, pool_wait=0.1
    ) as gateway:
        codes = [charge(gateway).code for _ in range(6)]
    assert "PoolFullError" not in codes


def test_many_threads_share_the_pool(serve: Serve) -> None:
    server = serve(answering(response(200, PAID)))
    outcomes: list[Outcome] = []

    def work() -> None:
        outcomes.extend(charge(gateway, 10).outcome for _ in range(20))

    with gateway_to(server.url, max_connections=8, keepalive=60, pool_wait=10) as gateway:
        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert outcomes == [Outcome.SUCCEEDED] * 160
    assert server.connections <= 8


def test_a_forked_child_has_connections_of_its_own(serve: Serve) -> None:
    server = serve(answering(response(200, PAID)))
    with gateway_to(server.url, keepalive=60, max_connections=1, pool_wait=0.1) as gateway:
        charge(gateway)
        gateway._slots.acquire()  # as if another thread were in the middle of a charge
        with warnings.catch_warnings():
            # The stub's threads do not matter to the child.
            warnings.simplefilter("ignore", DeprecationWarning)
            child = os.fork()
        if child == 0:
            os._exit(0 if charge(gateway).outcome is Outcome.SUCCEEDED else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        gateway._slots.release()
        assert charge(gateway).outcome is Outcome.SUCCEEDED
    assert server.connections == 2


def test_closing_twice_is_safe(serve: Serve) -> None:
    with gateway_to(serve(answering(response(200, PAID))).url) as gateway:
        charge(gateway)
        gateway.close()


def test_no_thread_is_started_for_a_call(serve: Serve) -> None:
    server = serve(answering(response(200, PAID)))
    with gateway_to(server.url) as gateway:
        charge(gateway)
        before = threading.active_count()
        charge(gateway)
        assert threading.active_count() == before


def test_what_is_left_of_a_deadline_shrinks() -> None:
    call = Call(time.monotonic() + 10)
    assert 9 < call.left() <= 10
    assert Call(time.monotonic() - 1).left() < 0
