"""The threads of a process that write into one SQLite file: each gets its turn, in time."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import Connection, text

from breakwall.payments.db.database import Database, DatabaseUnavailableError
from breakwall.payments.db.lock_timeouts import LockBudget
from breakwall.sqlite.writers import WriterQueue
from tests.waiting import wait_until

SOON, LATER = 0.0, 30.0


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with closing(Database(f"sqlite:///{tmp_path}/orders.db")) as database:
        database.write(lambda connection: connection.execute(text("CREATE TABLE written (thread INTEGER)")))
        yield database


def test_sixty_threads_that_write_again_and_again_all_get_their_turn_within_two_seconds(
    database: Database,
) -> None:
    """Where each asks SQLite itself, one in fifteen of these writes is told that the database is locked."""
    failed: list[DatabaseUnavailableError] = []

    def write(connection: Connection) -> None:
        connection.execute(text("INSERT INTO written VALUES (1)"))
        time.sleep(0.001)

    def write_often() -> None:
        for _ in range(15):
            try:
                database.write(write, lock_budget=LockBudget(2.0))
            except DatabaseUnavailableError as error:
                failed.append(error)

    threads = [threading.Thread(target=write_often) for _ in range(60)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert database.read(lambda connection: connection.scalar(text("SELECT count(*) FROM written"))) == 900


def test_they_come_in_the_order_in_which_they_asked() -> None:
    queue, served = WriterQueue(), list[int]()

    def take(number: int) -> None:
        with queue.turn(time.monotonic() + LATER):
            served.append(number)

    threads = [threading.Thread(target=take, args=(number,)) for number in range(5)]
    with queue.turn(time.monotonic() + LATER):
        for number, thread in enumerate(threads):
            thread.start()
            wait_until(lambda number=number: len(queue._turns) > number + 1)  # type: ignore[misc]
    for thread in threads:
        thread.join()
    assert served == [0, 1, 2, 3, 4]


def test_a_writer_whose_time_is_over_leaves_the_answer_to_sqlite_and_disturbs_no_turn() -> None:
    queue = WriterQueue()
    with queue.turn(time.monotonic() + LATER):
        with queue.turn(time.monotonic() + SOON):
            pass
        assert len(queue._turns) == 1
    assert not queue._turns


def test_a_writer_that_fails_passes_its_turn_on() -> None:
    queue = WriterQueue()
    with pytest.raises(ValueError, match="that"), queue.turn(time.monotonic() + LATER):
        raise ValueError("that")
    assert not queue._turns


def test_a_writer_that_is_interrupted_while_it_waits_leaves_the_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A signal's handler raises, as that of Celery's soft time limit does."""
    queue = WriterQueue()

    def interrupt() -> float:
        raise KeyboardInterrupt

    with queue.turn(time.monotonic() + LATER), monkeypatch.context() as patch:
        patch.setattr("breakwall.sqlite.writers.time.monotonic", interrupt)
        with pytest.raises(KeyboardInterrupt), queue.turn(LATER):
            pytest.fail("it has no turn")
    assert not queue._turns


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_does_not_wait_for_a_thread_of_its_parent(database: Database) -> None:
    assert database._writers is not None
    with database._writers.turn(time.monotonic() + LATER):
        child = os.fork()
        if not child:
            began = time.monotonic()
            database.write(lambda connection: connection.execute(text("INSERT INTO written VALUES (1)")))
            os._exit(0 if time.monotonic() - began < 4.0 else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
