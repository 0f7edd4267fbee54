"""Waiting for locks: all transactions of one call wait as long as one, together."""

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
from tests.stopwatch import timed

SHORT = 1.0
"""Seconds of the lock timeout in these tests. The product's is longer."""


@pytest.fixture(autouse=True)
def _short_lock_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("breakwall.payments.db.lock_timeouts.LOCK_TIMEOUT", SHORT)


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


def test_all_transactions_of_a_place_share_one_lock_timeout(shop: Site) -> None:
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
    result, seconds = timed(lambda: shop.producer.place(order()))
    over.set()
    holder.join()
    # It was charged, so it is not said to be refused.
    assert result.status == "in_flight"
    assert seconds < SHORT + 0.5, "each transaction has waited for a lock timeout of its own"


def test_an_order_that_gets_no_lock_is_not_accepted(shop: Site) -> None:
    file = Path(shop.database.engine.url.database or "")
    with locked(file), pytest.raises(DatabaseUnavailableError, match="database is locked"):
        shop.producer.place(order())
    assert shop.gateway.charged == []
    shop.gateway.answers.append(replace(PAID, charge_id="ch_2"))
    assert shop.producer.place(order()).status == "paid"
