"""A real worker tells the shop how its orders ended, and neither a slow shop nor a lost worker stops anything."""

from __future__ import annotations

import base64
import json
import signal
import sqlite3
import subprocess
from pathlib import Path
from typing import Any

import psutil
import pytest
from fastapi import FastAPI, Request
from standardwebhooks import Webhook

from breakwall.simulator.client import SimulatorControl
from tests.application_server import serving
from tests.command import Terminal, command_line
from tests.integration.payments.outcomes.receivers import answer, hang, receiving
from tests.integration.worker_fixtures import RunningWorker, running_worker
from tests.stopwatch import Stopwatch
from tests.waiting import wait_until

SECRET = "whsec_" + base64.b64encode(b"w" * 32).decode()
LISTENER = """
import json, os, time

def settled(event):
    with open(os.environ["TOLD"], "a") as told:
        told.write(json.dumps(event) + "\\n")

def hang(event):
    settled(event)
    time.sleep(3600)
"""


@pytest.fixture
def shop(short_terminal: Terminal, payments: SimulatorControl, tmp_path: Path) -> Terminal:
    """A site whose payment service answers, with the shop's code on the import path."""
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "shop_hooks.py").write_text(LISTENER)
    told = tmp_path / "told"
    told.touch()
    short_terminal.environ |= {"PYTHONPATH": str(tmp_path / "code"), "TOLD": str(told)}
    return short_terminal


@pytest.fixture
def told(tmp_path: Path) -> Any:
    def read() -> list[Any]:
        return [json.loads(line) for line in (tmp_path / "told").read_text().splitlines()]

    return read


def webhook(terminal: Terminal, url: str) -> None:
    terminal.set(OUTCOMES__WEBHOOK_URL=url, OUTCOMES__WEBHOOK_SECRET=SECRET, OUTCOMES__ALLOW_PRIVATE="true")


def queue_orders(terminal: Terminal, count: int) -> None:
    lines = [
        {"user_id": "u1", "amount": 100, "currency": "KRW", "idempotency_key": f"cart-{number}"}
        for number in range(count)
    ]
    text = "\n".join(map(json.dumps, lines)).encode()
    assert terminal.run("orders", "import", "-", stdin=text).code == 0


def paid(terminal: Terminal) -> int:
    listed = terminal.run("orders", "list", "--status", "paid", "-o", "json").document
    return len(listed)


def test_a_webhook_and_a_listener_hear_of_queued_orders(shop: Terminal, told: Any) -> None:
    heard: list[Any] = []
    application = FastAPI()

    @application.post("/hook")
    async def take(request: Request) -> None:
        heard.append(Webhook(SECRET).verify(await request.body(), dict(request.headers)))

    with serving(application) as address:
        webhook(shop, f"{address}/hook")
        shop.set(OUTCOMES__LISTENER="shop_hooks:settled")
        with running_worker(shop) as worker:
            wait_until(lambda: "webhook" in _destinations(shop), 60)
            queue_orders(shop, 5)
            wait_until(lambda: len(heard) == len(told()) == 5, 60)
            assert SECRET not in worker.log
    keys = {f"cart-{number}" for number in range(5)}
    assert {event["data"]["idempotency_key"] for event in heard} == keys
    assert {event["id"] for event in heard} == {event["id"] for event in told()}
    assert {event["type"] for event in heard} == {"order.paid"}


def test_a_shop_that_hangs_and_a_listener_that_never_returns_cost_the_payments_nothing(
    shop: Terminal, told: Any
) -> None:
    with receiving(hang) as receiver:
        webhook(shop, receiver.url)
        shop.set(OUTCOMES__LISTENER="shop_hooks:hang")
        with running_worker(shop) as worker:
            wait_until(lambda: "webhook" in _destinations(shop), 60)
            queue_orders(shop, 40)
            wait_until(lambda: paid(shop) == 40, 60)
            assert len(told()) <= 4
            stopwatch = Stopwatch(processes=True)
            worker.process.send_signal(signal.SIGTERM)
            worker.process.wait(120)
            assert stopwatch.seconds < 30


def test_a_worker_that_is_killed_leaves_its_deliveries_to_the_next_one(shop: Terminal, told: Any) -> None:
    shop.set(OUTCOMES__LISTENER="shop_hooks:hang")
    with (shop.folder / "killed.log").open("wb") as log:
        killed = subprocess.Popen(
            command_line("worker"), stdout=log, stderr=log, cwd=shop.folder, env=shop.environ
        )
    wait_until(lambda: "listener" in _destinations(shop), 60)
    queue_orders(shop, 1)
    wait_until(lambda: len(told()) == 1, 60)
    killed.kill()
    killed.wait(60)
    shop.set(OUTCOMES__LISTENER="shop_hooks:settled")
    with running_worker(shop):
        # Its claim would expire after a minute; a person need not wait for that.
        redelivered = shop.run("outcomes", "redeliver", "--order", "cart-0", "-o", "json").document
        assert redelivered["redelivered"] == 1
        wait_until(lambda: len(told()) == 2, 60)
    assert told()[0] == told()[1]


def test_the_process_that_delivers_can_be_killed_and_ends_with_a_worker_that_is_killed(
    shop: Terminal,
) -> None:
    heard: list[bytes] = []
    with serving(_hook(heard)) as address:
        webhook(shop, f"{address}/hook")
        with running_worker(shop, exit_codes=(-signal.SIGKILL,)) as worker:
            first = _delivering(worker)
            first.kill()
            worker.wait_for("the process that delivers outcomes was killed by SIGKILL; it is started again")
            queue_orders(shop, 3)
            wait_until(lambda: len(heard) == 3, 60)
            second = _delivering(worker)
            assert second.pid != first.pid
            worker.process.kill()
            worker.process.wait(60)
            wait_until(lambda: not second.is_running(), 60)


def test_what_the_process_that_delivers_logs_is_in_the_workers_log(shop: Terminal) -> None:
    with receiving(answer("500 Internal Server Error")) as receiver:
        webhook(shop, receiver.url)
        shop.set(LOG__FORMAT="json")
        with running_worker(shop) as worker:
            queue_orders(shop, 12)
            event = worker.event("the circuit outcomes-webhook opened: the webhook takes no outcomes")
            assert event["logger"] == "breakwall.outcomes"


def test_the_first_order_that_ends_after_the_start_is_told(shop: Terminal) -> None:
    heard: list[bytes] = []
    with serving(_hook(heard)) as address:
        webhook(shop, f"{address}/hook")
        queue_orders(shop, 1)
        with running_worker(shop):
            wait_until(lambda: len(heard) == 1, 60)


def _hook(heard: list[bytes]) -> FastAPI:
    application = FastAPI()

    @application.post("/hook")
    async def take(request: Request) -> None:
        heard.append(await request.body())

    return application


def _delivering(worker: RunningWorker) -> psutil.Process:
    """The worker's process that delivers, when there is one."""
    found: list[psutil.Process] = []

    def is_there() -> bool:
        children = psutil.Process(worker.process.pid).children()
        found[:] = [child for child in children if "breakwall-outcomes" in child.cmdline()]
        return bool(found)

    wait_until(is_there, 60)
    return found[0]


def test_a_listener_that_cannot_be_loaded_stops_the_worker_with_a_sentence(shop: Terminal) -> None:
    shop.set(OUTCOMES__LISTENER="shop_hooks:missing")
    ran = Terminal.run(shop, "worker")
    assert ran.code == 2
    assert "BREAKWALL_OUTCOMES__LISTENER: names nothing in shop_hooks" in ran.out + ran.err


def test_a_listener_in_the_working_folder_is_not_found(shop: Terminal) -> None:
    (shop.folder / "local_hooks.py").write_text("def settled(event): pass\n")
    shop.set(OUTCOMES__LISTENER="local_hooks:settled")
    ran = Terminal.run(shop, "worker")
    assert ran.code == 2
    assert "cannot be imported" in ran.out + ran.err


def _destinations(terminal: Terminal) -> list[str]:
    """The destinations that the workers have registered."""
    try:
        with sqlite3.connect(terminal.home / "breakwall.db") as connection:
            return [name for (name,) in connection.execute("SELECT name FROM destinations")]
    except sqlite3.Error:
        return []
