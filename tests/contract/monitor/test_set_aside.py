"""Orders in review and dead orders may be millions: a snapshot reads a bounded number of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import text

from breakwall.monitor import set_aside
from breakwall.monitor.backlog import Backlog, Monitor
from breakwall.monitor.counts import Counted, count_all, long_parts
from breakwall.monitor.stored_counts import Part, store
from breakwall.payments.orders import Order
from tests.contract.site import Site

MANY = 3


class AsideSite(Site):
    """A site for which more than `MANY` dead orders are many."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.monitor = Monitor(self.database, self.breaker, lambda: 0, clock=self.clock)

    def aside(self, status: str, *keys: str, currency: str = "KRW") -> None:
        placed = [Order(user_id="u1", amount=100, currency=currency, idempotency_key=key) for key in keys]
        self.ledger.accept_queued(placed)
        ended = "next_attempt_at = NULL, dispatch_at = NULL, settled_at = created_at"
        moved = text(f"UPDATE orders SET status = '{status}', {ended} WHERE status = 'queued'")
        self.database.write(lambda connection: connection.execute(moved))

    def store(self) -> None:
        parts = self.database.read(long_parts)
        counted = self.database.read(lambda connection: count_all(connection, self.clock, parts))
        self.database.write(lambda connection: store(connection, counted))

    def look(self) -> Backlog:
        return self.monitor.snapshot()


@pytest.fixture
def site(migrated_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[AsideSite]:
    monkeypatch.setattr(set_aside, "MANY", MANY)
    site = AsideSite(migrated_url)
    yield site
    site.producer.close()


def test_a_few_are_counted_for_each_snapshot_with_their_money(site: AsideSite) -> None:
    site.aside("dead", "a", "b")
    site.aside("dead", "c", currency="USD")
    site.aside("review", "d")
    seen = site.look()
    assert (seen.dead, seen.review, seen.aside_counted) == (3, 1, Counted.NOW)
    assert (seen.money["dead"], seen.money["review"]) == ({"KRW": 200, "USD": 100}, {"KRW": 100})


def test_of_many_a_snapshot_reads_only_some(site: AsideSite) -> None:
    site.aside("dead", *map(str, range(MANY + 5)))
    seen = site.look()
    assert (seen.dead, seen.aside_counted) == (MANY + 1, Counted.AT_LEAST)
    assert seen.money["dead"] == {"KRW": 100 * (MANY + 1)}


def test_many_are_counted_by_a_worker_and_the_waiting_ones_are_not_older_for_that(site: AsideSite) -> None:
    site.aside("dead", *map(str, range(MANY + 5)))
    assert site.database.read(long_parts) == {Part.ASIDE}
    site.store()
    site.clock.advance(5)
    site.producer.enqueue([Order(user_id="u1", amount=100, currency="KRW", idempotency_key="new")])
    seen = site.look()
    assert (seen.dead, seen.aside_counted) == (MANY + 5, Counted.STORED)
    assert seen.money["dead"] == {"KRW": 100 * (MANY + 5)}
    assert (seen.queued, seen.counted, seen.age_seconds) == (1, Counted.NOW, 0.0)


def test_where_few_are_set_aside_no_worker_counts(site: AsideSite) -> None:
    site.aside("dead", *map(str, range(MANY)))
    assert site.database.read(long_parts) == set()
