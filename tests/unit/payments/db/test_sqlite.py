"""Some file systems have no room for SQLite's write-ahead log. It says so, and nobody looked."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from sqlalchemy import make_url

from breakwall.payments.db import sqlite


@pytest.mark.parametrize(("where", "lines"), [("?vfs=unix-dotfile&uri=true", 1), ("?uri=true", 0)])
def test_a_database_without_its_log_is_warned_of_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, where: str, lines: int
) -> None:
    caplog.set_level(logging.WARNING, "breakwall.payments")
    sqlite._warn_of_no_log.cache_clear()
    for _ in range(2):
        # Locked by a file beside it, SQLite has no memory to share between processes, as over NFS.
        engine = sqlite.open_sqlite(make_url(f"sqlite:///file:{tmp_path}/orders.db{where}"), None)
        engine.connect().close()
        engine.dispose()
    assert [record.getMessage().partition(":")[0] for record in caplog.records] == [
        "SQLite cannot keep its write-ahead log where the orders database is, as on a network's file system"
    ] * lines
    sqlite._warn_of_no_log.cache_clear()
