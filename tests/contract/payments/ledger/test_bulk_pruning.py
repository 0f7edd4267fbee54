"""The list of a bulk retry's orders goes when it has ended long ago, on SQLite and PostgreSQL."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import func, insert, select

from breakwall.payments.db.operator_tables import BulkState, bulk_retries, bulk_retry_orders
from breakwall.payments.ledger import bulk_pruning
from breakwall.payments.ledger.bulk_pruning import prune_bulk_list
from tests.contract.payments.db.rolling import go_back
from tests.contract.site import Site

pytestmark = pytest.mark.both_databases

AGE = 90 * 86_400.0


def bulk_retry(site: Site, bulk_id: str, *, ended_ago: float | None, orders: int = 3) -> None:
    """One that ended so many seconds ago; None: it has not."""
    now = site.clock.now
    ended_at = None if ended_ago is None else now - timedelta(seconds=ended_ago)
    state = BulkState.RUNNING if ended_at is None else BulkState.FINISHED
    who = {"name": "outage", "actor": "anna", "reason": "back", "selection": "{}"}
    row = {"id": bulk_id, "created_at": now, "state": state, "ended_at": ended_at, **who}
    rows = [
        {"bulk_id": bulk_id, "place": place, "order_id": f"o{place}", "status": "dead"}
        for place in range(orders)
    ]
    with site.database.engine.begin() as connection:
        connection.execute(insert(bulk_retries).values(row))
        connection.execute(insert(bulk_retry_orders), rows)


def prune(site: Site) -> int:
    return prune_bulk_list(site.database, site.clock, AGE)


def lists(site: Site) -> dict[str, int]:
    counted = select(bulk_retry_orders.c.bulk_id, func.count()).group_by(bulk_retry_orders.c.bulk_id)
    rows = site.database.read(lambda connection: connection.execute(counted).all())
    return {row[0]: row[1] for row in rows}


def test_the_list_goes_and_the_bulk_retry_stays(site: Site) -> None:
    bulk_retry(site, "b1", ended_ago=AGE)
    assert prune(site) == 3
    assert (prune(site), lists(site)) == (0, {})
    named = select(bulk_retries.c.name)
    assert site.database.read(lambda connection: connection.scalar(named)) == "outage"


def test_a_list_stays_until_then(site: Site) -> None:
    bulk_retry(site, "b1", ended_ago=AGE - 1)
    assert prune(site) == 0
    assert lists(site) == {"b1": 3}


def test_the_list_of_one_that_has_not_ended_stays(site: Site) -> None:
    """Else its last orders would never be retried."""
    bulk_retry(site, "b1", ended_ago=None)
    site.advance(2 * AGE)
    assert prune(site) == 0


def test_a_long_list_goes_in_short_transactions(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk_pruning, "BATCH", 2)
    bulk_retry(site, "b1", ended_ago=AGE, orders=3)
    bulk_retry(site, "b2", ended_ago=AGE, orders=2)
    bulk_retry(site, "b3", ended_ago=0.0)
    assert [prune(site) for _ in range(4)] == [2, 1, 2, 0]
    assert lists(site) == {"b3": 3}


def test_of_a_list_that_another_process_has_deleted_meanwhile_nothing_is_left(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    bulk_retry(site, "b1", ended_ago=AGE)
    assert prune(site) == 3
    monkeypatch.setattr(bulk_pruning, "_first_with_rows", lambda *_: "b1")
    assert prune(site) == 0


def test_nothing_is_done_before_the_tables_exist(site: Site) -> None:
    go_back(site)
    assert prune(site) == 0
