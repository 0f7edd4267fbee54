"""A real worker counts a long backlog, and the command says how old the count is."""

from __future__ import annotations

import json
from contextlib import closing
from typing import Any

from breakwall.monitor.counts import LONG
from breakwall.monitor.stored_counts import MAX_AGE, has_stored
from breakwall.payments.db.database import Database
from breakwall.payments.db.migrate import upgrade
from tests.backlog import Backlog, fill
from tests.command import Terminal
from tests.integration.worker_fixtures import running_worker
from tests.waiting import wait_until


def snapshot(terminal: Terminal) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(terminal.run("backlog", "-o", "json").out)
    return document


def test_above_100_000_orders_the_backlog_is_what_a_worker_counted(short_terminal: Terminal) -> None:
    url = f"sqlite:///{short_terminal.folder / 'orders.db'}"
    short_terminal.set(DATABASE_URL=url, PAYMENT_URL="http://127.0.0.1:9/charges")
    with closing(Database(url)) as database:
        upgrade(database.engine)
        fill(database.engine, Backlog(waiting=LONG + 1))
        before = snapshot(short_terminal)
        assert (before["counted"], before["queued"]) == ("sampled", LONG + 1)
        with running_worker(short_terminal):
            wait_until(lambda: database.read(has_stored), 60.0)
            seen = snapshot(short_terminal)
    assert (seen["counted"], seen["queued"], seen["due"]) == ("stored", LONG + 1, 0)
    assert 0.0 <= seen["age_seconds"] <= MAX_AGE
