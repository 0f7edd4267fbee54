"""A process that ends while a charge goes on behind: it waits for the answer, or it is killed and a worker finishes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from breakwall.payments.db.database import DatabaseUnavailableError
from breakwall.payments.ledger.queries import OrderNotFoundError, get_order, list_attempts
from breakwall.payments.orders import StoredOrder
from breakwall.settings import load_settings
from breakwall.wiring import open_database
from tests.acceptance.shop import PaymentService
from tests.command import Terminal
from tests.integration.worker_fixtures import running_worker
from tests.stopwatch import Stopwatch
from tests.waiting import wait_until

ROOT = Path(__file__).parents[3]
ANSWERS_AFTER = 2.0


@pytest.fixture
def service(module_payment_service: PaymentService) -> Iterator[PaymentService]:
    """It answers late, but it answers."""
    module_payment_service.control.set_faults(latency=ANSWERS_AFTER)
    yield module_payment_service
    module_payment_service.control.clear_faults()


@pytest.fixture
def terminal(tmp_path: Path, service: PaymentService) -> Terminal:
    terminal = Terminal(tmp_path)
    terminal.set(
        PAYMENT_URL=service.url,
        PAYMENT_TIMEOUT="20",
        PAYMENT_DEDUPLICATES="true",
        DATA_DIR=str(tmp_path / "data"),
        SITE=tmp_path.name.replace("_", "-")[:60],
    )
    return terminal


def leave(terminal: Terminal, how: str) -> tuple[int, list[dict[str, Any]]]:
    """The exit code of a shop that leaves so, and what it said."""
    line = [sys.executable, "-m", "tests.integration.producers.leaving_shop", how]
    ended = subprocess.run(line, cwd=ROOT, env=terminal.environ, stdout=subprocess.PIPE, timeout=120)
    return ended.returncode, [json.loads(said) for said in ended.stdout.splitlines()]


def order_of(terminal: Terminal, key: str = "cart-1") -> StoredOrder:
    settings = load_settings(terminal.environ)
    database = open_database(settings)
    try:
        return get_order(database, key)
    finally:
        database.close()


@pytest.mark.parametrize(("how", "code"), [("returns", 0), ("exits", 3), ("raises", None), ("loop", 0)])
def test_a_program_that_ends_records_the_answers_of_its_charges(
    terminal: Terminal, how: str, code: int | None
) -> None:
    ended, said = leave(terminal, how)
    assert said == [{"status": "in_flight"}]
    assert code is None or ended == code
    assert order_of(terminal).status == "paid"


def test_a_child_of_billiard_records_the_answers_of_its_charges(terminal: Terminal) -> None:
    assert leave(terminal, "billiard") == (0, [{"status": "in_flight"}])
    assert order_of(terminal).status == "paid"


def test_a_celery_child_that_ends_records_the_answers_of_its_charges(
    terminal: Terminal, tmp_path: Path
) -> None:
    queue = tmp_path / "queue"
    queue.mkdir()
    environ = {**terminal.environ, "CELERY_SHOP_QUEUE": str(queue), "C_FORCE_ROOT": "1"}
    celery = [sys.executable, "-m", "celery", "-A", "tests.integration.producers.celery_shop"]
    line = [*celery, "worker", "-P", "prefork", "-c", "1", "-l", "WARNING", "--max-tasks-per-child", "1"]
    with subprocess.Popen(line, cwd=ROOT, env=environ) as worker:
        try:
            subprocess.run(
                [*celery, "call", "buy", "--args", '["cart-1"]'], cwd=ROOT, env=environ, check=True
            )
            wait_until(lambda: charge_began(terminal), 60, look_every=0.1)
            wait_until(lambda: order_of(terminal).status == "paid", 60, look_every=0.1)
        finally:
            worker.terminate()
            worker.wait(60)


def charge_began(terminal: Terminal) -> bool:
    with suppress(OrderNotFoundError, DatabaseUnavailableError):
        return order_of(terminal).status == "in_flight"
    return False


def test_a_producer_that_is_dropped_without_close_leaves_no_thread(
    terminal: Terminal, service: PaymentService
) -> None:
    service.control.clear_faults()
    terminal.set(PAYMENT_URL=service.url.replace("127.0.0.1", "localhost"))
    assert leave(terminal, "drops") == (0, [{"status": "paid"}, {"threads": ["MainThread"]}])


def test_a_programs_own_exit_handler_comes_after_the_answers(terminal: Terminal) -> None:
    assert leave(terminal, "looks at its exit") == (0, [{"status": "in_flight"}, {"at_exit": "paid"}])


def test_a_program_whose_thread_places_after_its_main_thread_has_ended_records_the_answer(
    terminal: Terminal,
) -> None:
    assert leave(terminal, "thread") == (0, [{"first": "paid"}, {"status": "in_flight"}])
    assert order_of(terminal).status == "paid"


def test_close_records_them_before_it_returns(terminal: Terminal) -> None:
    assert leave(terminal, "closes") == (0, [{"status": "in_flight"}, {"status": "paid"}])


def test_the_end_of_a_program_waits_no_longer_than_the_charges_deadline(
    terminal: Terminal, service: PaymentService
) -> None:
    service.control.set_faults(hang=1.0)
    terminal.set(PAYMENT_TIMEOUT="2")
    watch = Stopwatch(processes=True)
    code, said = leave(terminal, "returns")
    assert (code, said) == (0, [{"status": "in_flight"}])
    assert watch.seconds < 30
    # Its time-out was recorded, too.
    assert order_of(terminal).status == "queued"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_fork_leaves_the_parents_charge_to_the_parent(terminal: Terminal) -> None:
    code, said = leave(terminal, "forks")
    assert code == 0
    assert said[:3] == [
        {"status": "in_flight"},
        {"child": "in_flight", "in_hand": 0},
        {"child": "paid"},
    ]
    assert order_of(terminal).status == "paid"
    assert order_of(terminal, "of-the-child").status == "paid"


def test_a_charge_that_a_kill_cuts_off_is_finished_by_a_worker_and_charged_once(
    terminal: Terminal, service: PaymentService
) -> None:
    terminal.set(PAYMENT_TIMEOUT="5")
    code, said = leave(terminal, "is killed")
    assert (code, said) == (-signal.SIGKILL, [{"status": "in_flight"}])
    left = order_of(terminal)
    assert left.status == "in_flight"
    with running_worker(terminal):
        wait_until(lambda: order_of(terminal).status == "paid", 60, look_every=0.2)
    database = open_database(load_settings(terminal.environ))
    outcomes = [str(attempt.outcome) for attempt in list_attempts(database, left.id)]
    database.close()
    assert outcomes[-1] == "succeeded"
    charged = [entry for entry in service.control.ledger() if entry["order_id"] == left.id]
    assert [entry["status"] for entry in charged] == ["succeeded"]
