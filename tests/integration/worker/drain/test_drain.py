"""A real worker in the middle of a drain: killed, and told to end."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from breakwall.settings import load_settings
from breakwall.wiring import open_database
from tests.acceptance.nodes import wait_for
from tests.acceptance.shop import PaymentServiceHere
from tests.integration.worker.test_exhaustion import Site

SLOTS = 4
ORDERS = 60
TIMEOUT = 90.0


@pytest.fixture
def site(tmp_path_factory: pytest.TempPathFactory, tmp_path: Path) -> Iterator[Site]:
    service = PaymentServiceHere(tmp_path)
    folder = tmp_path_factory.mktemp("b")
    site = Site(folder, service)
    site.environ |= {
        "BREAKWALL_PAYMENT_TIMEOUT": "2",
        "BREAKWALL_PAYMENT_SETTLE_SECONDS": "1",
        "BREAKWALL_DISPATCH__REPUBLISH_AFTER": "2",
    }
    service.control.set_faults(latency=[0.2, 0.2])
    site.enqueue(ORDERS)
    try:
        yield site
    finally:
        site.close()
        service.stop()


def rows(site: Site, sql: str) -> list[tuple[object, ...]]:
    database = open_database(load_settings(site.environ))
    try:
        with database.engine.connect() as connection:
            return [tuple(row) for row in connection.exec_driver_sql(sql)]
    finally:
        database.close()


def test_killed_it_leaves_few_attempts_unknown_and_the_next_one_resolves_all(site: Site) -> None:
    site.start("--concurrency", str(SLOTS))
    wait_for(f"it drains\n{site.said()}", lambda: site.charges() >= 12, TIMEOUT)
    site.process.send_signal(signal.SIGKILL)
    site.process.wait()
    unknown = rows(site, "SELECT count(*) FROM attempts WHERE outcome IS NULL")[0][0]
    assert isinstance(unknown, int)
    assert unknown <= 2 * SLOTS
    site.service.control.set_faults(latency=[0.0, 0.0])
    site.start("--concurrency", str(SLOTS))
    wait_for(
        "all are paid",
        lambda: rows(site, "SELECT count(*) FROM orders WHERE status <> 'paid'") == [(0,)],
        TIMEOUT,
    )
    charged = [
        entry["reference"] for entry in site.service.control.ledger() if entry["status"] == "succeeded"
    ]
    assert len(charged) == len(set(charged)) == ORDERS


def test_told_to_end_it_leaves_no_claim_and_no_attempt_without_an_answer(site: Site) -> None:
    site.environ["BREAKWALL_PAYMENT_TIMEOUT"] = "30"  # A busy machine gives no retry.
    site.start("--concurrency", str(SLOTS))
    wait_for(f"it drains\n{site.said()}", lambda: site.charges() >= 12, TIMEOUT)
    site.process.send_signal(signal.SIGTERM)
    assert site.process.wait(TIMEOUT) == 0
    assert rows(site, "SELECT count(*) FROM attempts WHERE outcome IS NULL") == [(0,)]
    assert rows(site, "SELECT DISTINCT status FROM orders ORDER BY status") == [("paid",), ("queued",)]
    assert rows(site, "SELECT count(*) FROM orders WHERE status = 'queued' AND retry_count > 0") == [(0,)]
