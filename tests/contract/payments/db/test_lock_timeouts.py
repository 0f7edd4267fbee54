"""Waiting for locks: it is a part of the time for which the caller of `place` waits."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from breakwall.payments.db.database import DatabaseUnavailableError
from tests.contract.site import Site, order
from tests.gateway import PAID
from tests.stopwatch import Stopwatch, timed
from tests.waiting import wait_until

SHORT = 1.0
"""Seconds for which callers wait in these tests."""


@contextmanager
def locked(file: Path, begin: str = "BEGIN IMMEDIATE") -> Iterator[None]:
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute(begin)
        yield


@pytest.fixture
def shop(sqlite_url: str) -> Iterator[Site]:
    site = Site(sqlite_url)
    yield site
    site.producer.close()


def test_a_lock_while_the_order_is_accepted_and_another_one_while_it_is_recorded_hold_nobody(
    shop: Site,
) -> None:
    """A database that was locked for 12 s made it 15 s: each of its transactions waited 5."""
    file = Path(shop.database.engine.url.database or "")
    shop.gateway.answers.append(PAID)
    first, held, over = threading.Event(), threading.Event(), threading.Event()

    def hold() -> None:
        with locked(file):
            first.set()
            time.sleep(0.8 * SHORT)
        held.wait(30)
        with locked(file):
            first.set()
            over.wait(30)

    def during() -> None:
        first.clear()
        held.set()
        first.wait(30)

    shop.gateway.during = during
    holder = threading.Thread(target=hold)
    holder.start()
    first.wait(30)
    result, seconds = timed(lambda: shop.producer.place(order(), wait=SHORT))
    over.set()
    holder.join()
    # It was charged, so it is not said to be refused.
    assert result.status == "in_flight"
    assert seconds < SHORT + 0.5, "each transaction has waited for a lock timeout of its own"
    wait_until(lambda: shop.get().status == "paid")


def test_an_order_that_gets_no_lock_is_not_accepted(shop: Site) -> None:
    file = Path(shop.database.engine.url.database or "")
    with locked(file), pytest.raises(DatabaseUnavailableError, match="database is locked"):
        shop.producer.place(order(), wait=SHORT)
    assert shop.gateway.charged == []
    shop.gateway.answers.append(replace(PAID, charge_id="ch_2"))
    assert shop.producer.place(order()).status == "paid"


def test_an_order_that_is_queued_gets_no_more_time_for_a_lock(shop: Site) -> None:
    file = Path(shop.database.engine.url.database or "")
    shop.open_circuit()
    with locked(file):
        waits = Stopwatch()
        with pytest.raises(DatabaseUnavailableError, match="database is locked"):
            shop.producer.place(order(), wait=SHORT)
        assert waits.seconds < SHORT + 0.5
    assert shop.producer.place(order()).status == "queued"
