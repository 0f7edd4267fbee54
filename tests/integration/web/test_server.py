"""`breakwall api` as processes: how it stops, and what becomes of the orders in hand."""

from __future__ import annotations

import http.client
import json
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest
from sqlalchemy import Connection, make_url, update

from breakwall.payments.db.clock import DATABASE_CLOCK
from breakwall.payments.db.schema import orders
from breakwall.settings import load_settings
from breakwall.simulator.client import SimulatorControl
from breakwall.web.server import GRACE
from tests.acceptance.shop import PaymentService
from tests.command import ShortTerminal, Terminal, command_line
from tests.integration.conftest import NO_SERVICE
from tests.integration.stuck_orders import ledger_of
from tests.integration.web.conftest import RunningApi, StartApi
from tests.servers.silent_relay import SilentRelay
from tests.stopwatch import Stopwatch
from tests.waiting import wait_until

BOUND = 5.0  # Seconds from the signal to the end.
STREAMS = 20
TIMEOUT = 60.0  # Seconds of a charge: more than the process stays, on a busy machine too.

PROCESSES = pytest.mark.parametrize("processes", [1, 2])


def open_streams(api: RunningApi) -> list[http.client.HTTPResponse]:
    streams = [api.request("GET", "/tried/events") for _ in range(STREAMS)]
    assert all(stream.readline() == b"data: begun\n" for stream in streams)
    return streams


def stop(api: RunningApi, number: signal.Signals = signal.SIGTERM) -> float:
    """The seconds that it took."""
    watch = Stopwatch(processes=True)
    api.process.send_signal(number)
    assert api.process.wait(60) == 0, api.text
    return watch.seconds


def test_it_says_at_its_start_that_it_is_open(start_api: StartApi) -> None:
    api = start_api()
    wait_until(lambda: "there is no token yet" in api.text, 60.0)


@PROCESSES
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_stops_in_time_while_streams_are_open(
    start_api: StartApi, processes: int, number: signal.Signals
) -> None:
    api = start_api("--processes", str(processes))
    streams = open_streams(api)
    assert stop(api, number) < BOUND
    for stream in streams:
        rest = stream.read()  # It ends, and not inside an event.
        assert rest == b"\n" or rest.endswith(b"\n\n")
    assert "Traceback" not in api.text


def test_it_stops_in_time_while_pages_hear_of_the_backlog(start_api: StartApi) -> None:
    api = start_api()
    streams = [api.request("GET", "/v1/events") for _ in range(5)]
    for stream in streams:
        assert stream.readline().startswith(b"retry:")
        wait_until(lambda stream=stream: stream.readline().startswith(b"event:"))  # type: ignore[misc]
    assert stop(api) < BOUND
    assert all(stream.read().endswith(b"\n\n") for stream in streams)
    assert "Traceback" not in api.text


def test_a_caller_that_waits_as_long_as_by_default_is_answered_before_the_end() -> None:
    assert load_settings({}).place.wait <= GRACE


@PROCESSES
def test_a_charge_that_hangs_is_answered_in_time_and_finished_by_a_worker(
    terminal: Terminal, module_payment_service: PaymentService, start_api: StartApi, processes: int
) -> None:
    service = module_payment_service
    key = f"cart-of-{processes}"
    terminal.set(
        PAYMENT_URL=service.url,
        PAYMENT_TIMEOUT=str(TIMEOUT),
        PAYMENT_DEDUPLICATES="true",
        DISPATCH__INTERVAL="0.2",
        RETRY__BASE="0.1",
        PLACE__WAIT="1",
        SITE=f"stops-{processes}",
    )
    api = start_api("--processes", str(processes))
    control: SimulatorControl = service.control
    control.set_faults(hang=1.0)
    open_streams(api)
    answers: list[str] = []
    caller = threading.Thread(
        target=lambda: answers.append(json.load(api.request("POST", f"/tried/orders/{key}"))["status"])
    )
    caller.start()
    wait_until(lambda: terminal.run("orders", "show", key).code == 0)
    assert stop(api) < BOUND
    caller.join(60)
    assert answers == ["in_flight"]  # It had a second, and `GRACE` is longer.
    assert "Traceback" not in api.text
    assert terminal.show(key)["status"] == "in_flight"
    control.clear_faults()
    with ledger_of(terminal) as ledger:
        ledger.database.write(end_each_claim)
    with subprocess.Popen(
        command_line("worker"), cwd=terminal.folder, env=terminal.environ, stderr=subprocess.DEVNULL
    ) as worker:
        wait_until(lambda: terminal.show(key)["status"] == "paid", 60.0, look_every=0.5)
        worker.send_signal(signal.SIGTERM)
    assert len([charge for charge in control.ledger() if charge["reference"] == key]) == 1


def end_each_claim(connection: Connection) -> None:
    """As more than a minute later."""
    of_claims = update(orders).where(orders.c.status == "in_flight")
    connection.execute(of_claims.values(lease_until=DATABASE_CLOCK.after(0)))


def test_an_order_that_is_waited_for_longer_than_the_process_stays_is_answered(
    terminal: Terminal, module_payment_service: PaymentService, start_api: StartApi
) -> None:
    terminal.set(PAYMENT_URL=module_payment_service.url, PAYMENT_TIMEOUT=str(TIMEOUT), SITE="answers")
    api = start_api()
    module_payment_service.control.set_faults(hang=1.0)
    streams = [api.request("GET", "/v1/events") for _ in range(3)]
    order = {"user_id": "u1", "amount": 10_000, "currency": "KRW"}
    headers = {"Idempotency-Key": "cart-8", "Prefer": "wait=8"}
    with ThreadPoolExecutor() as callers:
        answer = callers.submit(api.request, "POST", "/v1/orders", order, **headers)
        wait_until(lambda: terminal.run("orders", "show", "cart-8").code == 0)
        assert stop(api) < BOUND
        accepted = answer.result(30)
    module_payment_service.control.clear_faults()
    assert (accepted.status, json.load(accepted)["status"]) == (202, "in_flight")
    assert accepted.headers["Location"] == f"/v1/orders/{terminal.show('cart-8')['id']}"
    assert all(stream.read().endswith(b"\n\n") for stream in streams)
    assert "Traceback" not in api.text


def test_it_stops_in_time_while_its_database_hangs(
    terminal: Terminal, postgres_url: str, start_api: StartApi
) -> None:
    url = make_url(postgres_url)
    relay = SilentRelay(url.port or 5432)
    through = url.set(host="127.0.0.1", port=relay.port).render_as_string(hide_password=False)
    terminal.set(DATABASE_URL=through, SITE="hangs")
    assert terminal.run("db", "upgrade").code == 0
    api = start_api()
    stream = api.request("GET", "/v1/events")
    wait_until(lambda: stream.readline().startswith(b"event:"))
    relay.stay_silent()
    paths = ["/v1/orders", "/v1/bulk-retries", "/orders", "/v1/orders/cart-1?wait=20"]
    callers = [api.connect() for _ in paths]
    for caller, path in zip(callers, paths, strict=True):
        caller.request("GET", path)
    assert api.request("GET", "/healthz").status == 200  # It has them in hand: they came before.
    assert stop(api) < BOUND
    found = [caller.getresponse() for caller in callers]
    relay.close()
    assert {(one.status, one.headers["Content-Type"]) for one in found} == {(503, "application/problem+json")}
    assert "Traceback" not in api.text


def test_it_stops_in_time_while_a_request_hangs_in_its_thread(start_api: StartApi) -> None:
    api = start_api()
    caller = api.connect()
    caller.request("GET", "/tried/hangs")
    assert api.request("GET", "/healthz").status == 200  # It has the other one in hand: that came before.
    assert stop(api) < BOUND
    answer = caller.getresponse()
    assert (answer.status, answer.headers["Content-Type"]) == (503, "application/problem+json")


def test_a_charge_that_ends_in_time_is_recorded_before_the_end(
    terminal: Terminal, module_payment_service: PaymentService, start_api: StartApi
) -> None:
    terminal.set(PAYMENT_URL=module_payment_service.url, SITE="records")
    terminal.environ["TRIED_LONGEST_STOP"] = "60"
    api = start_api()
    module_payment_service.control.set_faults(latency=3.2)
    caller = threading.Thread(target=lambda: api.request("POST", "/tried/orders/cart-2").read())
    caller.start()
    wait_until(lambda: terminal.run("orders", "show", "cart-2").code == 0)
    assert stop(api) < 30
    caller.join(60)
    module_payment_service.control.clear_faults()
    assert terminal.show("cart-2")["status"] == "paid"


def test_killed_with_9_its_processes_die_with_it(start_api: StartApi) -> None:
    api = start_api("--processes", "2")
    children = api.children()
    assert len(children) == 2
    api.process.kill()
    _, alive = psutil.wait_procs(children, timeout=60)
    assert alive == []


def test_a_process_that_is_killed_is_replaced(start_api: StartApi) -> None:
    api = start_api("--processes", "2")
    victim, other = api.children()
    victim.kill()
    wait_until(lambda: api.text.count(" ready.") == 3, 60.0)
    assert other.is_running()
    assert len(api.children()) == 2
    assert api.request("GET", "/healthz").status == 200
    assert stop(api) < BOUND


@pytest.fixture(scope="module")
def shared_api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningApi]:
    """Two processes for the tests that leave them as they were."""
    terminal = ShortTerminal(tmp_path_factory.mktemp("shared"))
    terminal.set(PAYMENT_URL=NO_SERVICE)
    api = RunningApi(terminal, "--processes", "2")
    yield api.until_ready()
    api.close()


def test_all_processes_answer_at_one_port(shared_api: RunningApi) -> None:
    for _ in range(50):
        assert shared_api.request("GET", "/healthz").status == 200


def test_a_bug_is_answered_without_and_logged_with_its_traceback(shared_api: RunningApi) -> None:
    api = shared_api
    answer = api.request("GET", "/tried/bug")
    assert answer.status == 500
    assert b"ZeroDivisionError" not in answer.read()
    wait_until(lambda: "ZeroDivisionError: a bug" in api.text)
    assert api.request("GET", "/healthz").status == 200
    assert api.text.count("ZeroDivisionError: a bug") == 1


def test_neither_requests_nor_clients_that_leave_are_logged(start_api: StartApi) -> None:
    api = start_api()
    wait_until(lambda: api.text.count("\n") == 2, 60.0)  # Where it is, and that it is open.
    api.request("GET", "/healthz")
    api.request("GET", "/nothing")
    for stream in open_streams(api):
        stream.close()
    with socket.create_connection(("127.0.0.1", api.port)) as half:
        half.sendall(
            b"POST /tried/body HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\nhalf"
        )
    assert stop(api) < BOUND
    assert api.text.count("\n") == 2, api.text
