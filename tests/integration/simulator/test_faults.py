"""The simulator over real HTTP: the protocol, and each fault as a client meets it."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from breakwall.simulator.client import SimulatorControl, SimulatorError
from breakwall.simulator.server import Simulator
from tests.waiting import wait_until

ORDER = {"order_id": "o-1", "user_id": "u-1", "amount": 10_000, "currency": "KRW"}


def run(folder: Path, **options: Any) -> Simulator:
    return Simulator(host="127.0.0.1", port=0, control_port=0, charge_book=folder / "charges.db", **options)


@pytest.fixture
def simulator(tmp_path: Path) -> Iterator[Simulator]:
    simulator = run(tmp_path, seed=7)
    yield simulator
    simulator.close()


@pytest.fixture
def control(simulator: Simulator) -> SimulatorControl:
    return SimulatorControl(simulator.control_url)


class Client:
    """One kept connection to the service port."""

    def __init__(self, url: str, timeout: float = 10) -> None:
        parts = urlsplit(url)
        self.connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=timeout)

    def charge(self, key: str | None = "k", order: object = ORDER) -> tuple[int, dict[str, Any]]:
        body = order if isinstance(order, bytes) else json.dumps(order)
        return self.ask("POST", "/api/charge", body, {} if key is None else {"Idempotency-Key": key})

    def look_up(self, key: str = "k") -> tuple[int, dict[str, Any]]:
        return self.ask("GET", f"/api/charges/{key}", None, {})

    def ask(self, method: str, path: str, body: Any, headers: dict[str, str]) -> tuple[int, dict[str, Any]]:
        self.connection.request(method, path, body, headers)
        self.answer = self.connection.getresponse()
        said: dict[str, Any] = json.loads(self.answer.read())
        return self.answer.status, said

    def close(self) -> None:
        self.connection.close()


@pytest.fixture
def client(simulator: Simulator) -> Iterator[Client]:
    client = Client(simulator.url)
    yield client
    client.close()


def test_a_charge_is_in_the_charge_book_as_it_was_asked_for(
    client: Client, control: SimulatorControl
) -> None:
    status, said = client.charge()
    (charge,) = control.ledger()
    assert (status, said) == (200, {"status": "succeeded", "charge_id": charge["charge_id"]})
    assert {name: charge[name] for name in ORDER} == ORDER
    assert (charge["key"], charge["status"]) == ("k", "succeeded")


def test_the_same_key_answers_the_same_and_charges_once(client: Client, control: SimulatorControl) -> None:
    assert client.charge() == client.charge()
    assert len(control.ledger()) == 1


def test_the_same_key_with_another_payload_is_422(client: Client) -> None:
    client.charge()
    assert client.charge(order=ORDER | {"amount": 1})[0] == 422


def test_a_key_that_is_still_running_is_409_and_looked_up_as_processing(
    simulator: Simulator, client: Client, control: SimulatorControl
) -> None:
    control.set_faults(latency=30)
    other = Client(simulator.url)
    thread = threading.Thread(target=_ignoring_errors, args=(other.charge,))
    thread.start()
    wait_until(lambda: control.stats()["running"] == 1)
    control.set_faults(latency=0)
    assert client.charge()[0] == 409
    assert client.look_up() == (200, {"status": "processing"})
    simulator.close()
    thread.join()
    assert simulator.service.stats()["running"] == 0


def test_a_service_that_does_not_deduplicate_charges_twice(tmp_path: Path) -> None:
    simulator = run(tmp_path, deduplicate=False)
    client, control = Client(simulator.url), SimulatorControl(simulator.control_url)
    assert client.charge()[1]["charge_id"] != client.charge()[1]["charge_id"]
    assert [charge["key"] for charge in control.ledger()] == ["k", "k"]
    assert control.stats()["double_charges"] == 1
    simulator.close()


@pytest.mark.parametrize(
    ("order", "word"),
    [
        (ORDER | {"amount": 0}, "amount"),
        (ORDER | {"amount": 1.5}, "amount"),
        (ORDER | {"amount": True}, "amount"),
        (ORDER | {"amount": "10"}, "amount"),
        (ORDER | {"currency": "won"}, "currency"),
        (ORDER | {"order_id": ""}, "order_id"),
        ({"amount": 1, "currency": "KRW", "order_id": "o"}, "user_id"),
        ([], "object"),
        (b"{", "JSON"),
        (b"[" * 60_000, "JSON"),
    ],
)
def test_a_bad_charge_is_400_and_names_the_field(client: Client, order: object, word: str) -> None:
    status, said = client.charge(order=order)
    assert status == 400
    assert word in said["error"]


@pytest.mark.parametrize("key", [None, "", "  ", "k" * 256])
def test_a_charge_without_a_usable_key_is_400(
    client: Client, control: SimulatorControl, key: str | None
) -> None:
    assert client.charge(key)[0] == 400
    assert control.ledger() == []


def test_a_huge_body_is_not_read(client: Client) -> None:
    status, _ = client.ask(
        "POST", "/api/charge", None, {"Content-Length": "1000000000", "Idempotency-Key": "k"}
    )
    assert status == 413


def test_other_paths_are_404_in_json(client: Client) -> None:
    assert client.ask("GET", "/", None, {})[0] == 404
    client.close()
    assert client.ask("POST", "/charge", "{}", {})[0] == 404


def test_a_lookup_finds_charges_declines_and_nothing(client: Client, control: SimulatorControl) -> None:
    charge_id = client.charge("paid/1")[1]["charge_id"]
    control.set_faults(decline_rate=1)
    client.charge("no")
    assert client.look_up("paid%2F1") == (200, {"status": "succeeded", "charge_id": charge_id})
    assert client.look_up("no")[1]["status"] == "declined"
    assert client.look_up("never")[0] == 404


def test_a_decline_is_402_with_a_code(client: Client, control: SimulatorControl) -> None:
    control.set_faults(decline_rate=1)
    assert client.charge() == (402, {"status": "declined", "code": "card_declined"})
    assert control.stats()["declines"] == 1


def test_an_error_charges_nothing_and_is_not_remembered(client: Client, control: SimulatorControl) -> None:
    control.set_faults(error_rate=1, error_status=503, error_retry_after=3)
    assert client.charge()[0] == 503
    assert client.answer.getheader("Retry-After") == "3"
    assert control.ledger() == []
    control.clear_faults()
    assert client.charge()[0] == 200


def test_throttled_requests_are_429_and_charge_nothing(client: Client, control: SimulatorControl) -> None:
    control.set_faults(throttle={"retry_after": 2})
    assert client.charge()[0] == 429
    assert client.answer.getheader("Retry-After") == "2"
    assert control.ledger() == []


def test_latency_delays_the_answer(client: Client, control: SimulatorControl) -> None:
    control.set_faults(latency=[0.2, 0.3])
    start = time.monotonic()
    client.charge()
    assert time.monotonic() - start >= 0.2


def test_down_refuses_connections_and_coming_back_takes_them(
    simulator: Simulator, client: Client, control: SimulatorControl
) -> None:
    client.charge()
    for _ in range(3):
        control.set_faults(down=True)
        with pytest.raises(ConnectionRefusedError):
            Client(simulator.url).charge()
        control.set_faults(down=False)
        assert Client(simulator.url).charge()[0] == 200


def test_going_down_cuts_the_connections_that_exist(client: Client, control: SimulatorControl) -> None:
    client.charge()
    control.set_faults(down=True)
    assert client.connection.sock.recv(1) == b""


def test_while_down_no_other_program_gets_the_port(simulator: Simulator, control: SimulatorControl) -> None:
    control.set_faults(down=True)
    with socket.socket() as other, pytest.raises(OSError, match="in use"):
        other.bind(("127.0.0.1", urlsplit(simulator.url).port or 0))


def test_charged_then_reset_is_a_charge(
    simulator: Simulator, client: Client, control: SimulatorControl
) -> None:
    control.set_faults(charge_then_fail=1)
    with pytest.raises(ConnectionResetError) as ended:
        client.charge()
    assert ended.type is ConnectionResetError  # http.client's word for a plain close is a subclass
    control.clear_faults()
    (charge,) = control.ledger()
    assert Client(simulator.url).charge()[1]["charge_id"] == charge["charge_id"]


def test_charged_then_error_is_a_charge(client: Client, control: SimulatorControl) -> None:
    control.set_faults(charge_then_fail=1, charge_then_fail_how="error")
    assert client.charge()[0] == 500
    assert len(control.ledger()) == 1


def test_charged_then_hanging_is_a_charge(simulator: Simulator, control: SimulatorControl) -> None:
    control.set_faults(charge_then_fail=1, charge_then_fail_how="hang")
    with pytest.raises(TimeoutError):
        Client(simulator.url, timeout=0.3).charge()
    wait_until(lambda: len(control.ledger()) == 1)


def test_hanging_before_the_charge_is_none(simulator: Simulator, control: SimulatorControl) -> None:
    control.set_faults(hang=1)
    with pytest.raises(TimeoutError):
        Client(simulator.url, timeout=0.3).charge()
    assert control.ledger() == []


def test_garbage_hides_a_charge(client: Client, control: SimulatorControl) -> None:
    control.set_faults(garbage=1)
    with pytest.raises(http.client.BadStatusLine):
        client.charge()
    assert len(control.ledger()) == 1


def test_a_dripped_answer_is_whole_in_the_end(client: Client, control: SimulatorControl) -> None:
    control.set_faults(drip=1, drip_interval=0.001)
    start = time.monotonic()
    assert client.charge()[0] == 200
    assert time.monotonic() - start > 0.1


def test_faults_are_counted(client: Client, control: SimulatorControl) -> None:
    control.set_faults(error_rate=1)
    client.charge("a")
    client.charge("b")
    control.clear_faults()
    client.charge("c")
    assert control.stats()["injected"] == {"error": 2}
    assert control.stats()["requests"] == 3


def test_the_same_seed_and_requests_meet_the_same_faults(tmp_path: Path) -> None:
    def outcomes(folder: str, seed: int) -> list[int]:
        (tmp_path / folder).mkdir()
        simulator = run(tmp_path / folder, seed=seed)
        SimulatorControl(simulator.control_url).set_faults(error_rate=0.5, decline_rate=0.5)
        client = Client(simulator.url)
        seen = [client.charge(f"k{n}")[0] for n in range(40)]
        client.close()
        simulator.close()
        return seen

    first = outcomes("a", 1)
    assert outcomes("b", 1) == first
    assert outcomes("c", 2) != first
    assert set(first) == {200, 402, 500}


def test_put_replaces_and_patch_adds(simulator: Simulator, control: SimulatorControl) -> None:
    control.set_faults(latency=0.1)
    control.set_faults(decline_rate=0.5)
    assert (control.faults()["latency"], control.faults()["decline_rate"]) == (0.1, 0.5)
    control.clear_faults()
    assert (control.faults()["latency"], control.faults()["decline_rate"]) == (0, 0)


def test_a_bad_fault_is_refused_by_name_and_changes_nothing(control: SimulatorControl) -> None:
    before = control.set_faults(latency=0.1)
    with pytest.raises(SimulatorError, match="error_rate: should be a number from 0 to 1"):
        control.set_faults(latency=0.5, down=True, error_rate=7)
    assert control.faults() == before


def test_fault_json_that_is_none_is_400(simulator: Simulator) -> None:
    client = Client(simulator.control_url)
    status, said = client.ask("PUT", "/faults", "{'down': True}", {})
    assert (status, said["error"]) == (400, "the body is not JSON")


def test_the_control_port_answers_while_the_service_is_down(control: SimulatorControl) -> None:
    control.set_faults(down=True)
    assert control.healthy()
    assert control.stats()["charges"] == 0


def test_where_no_simulator_is_the_error_says_so() -> None:
    control = SimulatorControl("http://127.0.0.1:1")
    assert not control.healthy()
    with pytest.raises(SimulatorError, match="no simulator answers"):
        control.stats()


def _ignoring_errors(call: Any) -> None:
    with contextlib.suppress(OSError, http.client.HTTPException):
        call()
