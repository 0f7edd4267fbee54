"""A fork waits until no other thread is inside SQLite."""

from __future__ import annotations

import os
import signal
import threading
import time

from sqlalchemy import Connection

from tests.contract.payments.db.counter import count, increment, with_counter


def test_a_fork_waits_for_a_transaction_of_another_thread(database_url: str) -> None:
    """Without this, the child inherits a lock of a thread that it does not have, or waits for a mutex for ever."""
    database, begun = with_counter(database_url), threading.Event()

    def slow(connection: Connection) -> None:
        increment(connection)
        begun.set()
        time.sleep(0.2)

    writer = threading.Thread(target=database.write, args=(slow,))
    writer.start()
    assert begun.wait(60)
    child = os.fork()
    if child == 0:
        signal.alarm(20)
        try:
            database.write(increment)
        except BaseException:
            os._exit(1)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    writer.join()
    assert database.read(count) == 2
    database.close()
