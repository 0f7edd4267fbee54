"""The simulator as a process: its command, its signals, and ``kill -9`` in the middle of charges."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from breakwall.simulator.client import SimulatorControl

COMMAND = "import typer; from breakwall.cli.simulator import simulator; typer.run(simulator)"


class Processes:
    """Simulators of one test, stopped with it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.running: list[subprocess.Popen[str]] = []

    def start(self, *options: str) -> tuple[subprocess.Popen[str], dict[str, Any]]:
        process = self.spawn("-o", "json", *options)
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, process.communicate()[1]
        return process, json.loads(line)

    def spawn(self, *options: str) -> subprocess.Popen[str]:
        ports = [] if "--port" in options else ["--port", "0", "--control-port", "0"]
        process = subprocess.Popen(
            [sys.executable, "-c", COMMAND, *ports, "--ledger", str(self._folder / "charges.db"), *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.running.append(process)
        return process


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    processes = Processes(tmp_path)
    yield processes
    for process in processes.running:
        if process.poll() is None:
            process.kill()
        process.communicate()


def charge(connection: http.client.HTTPConnection, key: str) -> str:
    order = {"order_id": key, "user_id": "u", "amount": 5, "currency": "KRW"}
    connection.request("POST", "/api/charge", json.dumps(order), {"Idempotency-Key": key})
    said: dict[str, Any] = json.loads(connection.getresponse().read())
    return str(said["charge_id"])


def connect(url: str) -> http.client.HTTPConnection:
    parts = urlsplit(url)
    return http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)


def test_what_was_answered_survives_kill_9(processes: Processes) -> None:
    process, said = processes.start()
    answered: dict[str, str] = {}
    enough = threading.Event()

    def keep_charging(client: int) -> None:
        connection = connect(said["url"])
        try:
            for number in range(1_000_000):
                key = f"{client}-{number}"
                answered[key] = charge(connection, key)
                if len(answered) >= 300:
                    enough.set()
        except (OSError, http.client.HTTPException, ValueError):
            pass  # killed

    clients = [threading.Thread(target=keep_charging, args=(client,)) for client in range(8)]
    for thread in clients:
        thread.start()
    assert enough.wait(60)
    process.kill()
    for thread in clients:
        thread.join()

    _, again = processes.start()
    charged = {one["key"]: one["charge_id"] for one in SimulatorControl(again["control_url"]).ledger()}
    assert answered.items() <= charged.items()
    connection = connect(again["url"])
    assert all(charge(connection, key) == answered[key] for key in list(answered)[-20:])
    assert SimulatorControl(again["control_url"]).stats()["double_charges"] == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly(processes: Processes, number: signal.Signals) -> None:
    process, said = processes.start()
    charge(connect(said["url"]), "k")
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (0, "")


def test_a_hanging_client_does_not_hold_up_the_end(processes: Processes) -> None:
    process, said = processes.start()
    control = SimulatorControl(said["control_url"])
    control.set_faults(latency=600)
    connection = connect(said["url"])
    order = {"order_id": "o", "user_id": "u", "amount": 5, "currency": "KRW"}
    connection.request("POST", "/api/charge", json.dumps(order), {"Idempotency-Key": "k"})
    process.terminate()
    process.communicate(timeout=60)
    assert process.returncode == 0


def test_a_taken_port_is_an_error_that_says_so(processes: Processes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        process = processes.spawn("--port", str(port), "--control-port", "0")
        output, errors = process.communicate(timeout=60)
    assert (process.returncode, output) == (1, "")
    assert f"ports {port} and 0" in errors
    assert f"in use (port {port})." in errors
    assert "Traceback" not in errors


def test_a_charge_book_in_use_is_an_error_that_says_so(processes: Processes) -> None:
    processes.start()
    second = processes.spawn()
    _, errors = second.communicate(timeout=60)
    assert second.returncode == 1
    assert "another simulator is writing charges.db" in errors


def test_a_file_that_is_no_charge_book_is_an_error_that_says_so(processes: Processes, tmp_path: Path) -> None:
    (tmp_path / "charges.db").write_text("dear diary " * 100)
    process = processes.spawn()
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "not a database" in errors


def test_in_text_it_says_where_it_listens_in_one_line(processes: Processes) -> None:
    process = processes.spawn("-o", "text")
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line.startswith("Payment service on http://127.0.0.1:")
    assert ", control on http://127.0.0.1:" in line


def test_it_can_end_with_the_process_that_started_it(processes: Processes) -> None:
    code = f"""
import os, subprocess, sys
child = subprocess.Popen([sys.executable, "-c", {COMMAND!r}, *sys.argv[1:], "--parent", str(os.getpid())])
sys.stdin.read()
os._exit(9)
"""
    ports = ["--port", "0", "--control-port", "0"]
    options = [*ports, "-o", "json", "--ledger", str(processes._folder / "charges.db")]
    parent = subprocess.Popen(
        [sys.executable, "-c", code, *options], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    processes.running.append(parent)
    assert parent.stdout is not None
    said = json.loads(parent.stdout.readline())
    parent.communicate("")
    try:
        wait_until_gone(SimulatorControl(said["control_url"]))
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(said["pid"], signal.SIGKILL)


def wait_until_gone(control: SimulatorControl, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while control.healthy():
        assert time.monotonic() < end, "the simulator outlived the process that started it"
        time.sleep(0.05)
