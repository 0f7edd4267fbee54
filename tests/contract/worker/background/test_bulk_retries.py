"""Each worker's thread goes on with bulk retries, on both databases."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from breakwall.payments.db.database import Database
from breakwall.payments.operator.bulk_retry.record import BulkRetries
from breakwall.payments.operator.bulk_retry.runner import BulkRetryRunner
from breakwall.payments.operator.bulk_retry.selection import Selection
from breakwall.payments.orders import OrderStatus
from breakwall.worker.background import bulk_retries
from breakwall.worker.background.bulk_retries import BulkRetryLoop
from tests import migrated
from tests.contract.people import ANNA
from tests.waiting import wait_until

DEAD = Selection((OrderStatus.DEAD,))


@pytest.fixture
def database(migrated_url: str) -> Iterator[Database]:
    database = Database(migrated_url)
    migrated.prepare(database)
    yield database
    database.close()


def working() -> bool:
    return any(thread.name == "breakwall-bulk-retries" for thread in threading.enumerate())


def test_its_thread_ends_what_was_made_and_ends_when_it_is_asked_to(database: Database) -> None:
    all_of_them = BulkRetries(database)
    made = all_of_them.create(DEAD, ANNA)
    loop = BulkRetryLoop(database, looks_up=True)
    loop.start()
    wait_until(lambda: all_of_them.get(made.id).state == "finished")
    loop.stop()
    assert not working()


def test_an_ending_worker_lets_another_one_go_on_at_once(database: Database) -> None:
    all_of_them = BulkRetries(database)
    made = all_of_them.create(DEAD, ANNA)
    loop = BulkRetryLoop(database, looks_up=True)
    loop.start()
    wait_until(lambda: all_of_them.get(made.id).state == "finished")
    loop.stop()
    next_one = all_of_them.create(DEAD, ANNA)
    other = BulkRetryRunner(database)
    other.run_once()
    assert all_of_them.get(next_one.id).state == "running"


def test_its_thread_outlives_an_error(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk_retries, "MAX_WAIT", 0.01)
    runs: list[int] = []

    def fail(self: BulkRetryRunner) -> float:
        runs.append(1)
        raise OSError("an error")

    monkeypatch.setattr(BulkRetryRunner, "run_once", fail)
    loop = BulkRetryLoop(database, looks_up=True)
    loop.start()
    wait_until(lambda: len(runs) > 1)
    loop.stop()
    assert not working()
