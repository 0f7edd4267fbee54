"""A long backlog is counted by a worker, and a snapshot says how old the count is. On SQLite and on PostgreSQL."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from sqlalchemy import update

from breakwall.json_documents import backlog_document
from breakwall.monitor import counts
from breakwall.monitor.backlog import Backlog, Monitor
from breakwall.monitor.counts import Counted, count_all, is_long
from breakwall.monitor.stored_counts import MAX_AGE, StoredCount, forget, has_stored, store
from breakwall.payments.db.schema import orders
from breakwall.payments.orders import Order
from tests.contract.site import Site, order

LONG = 5


class CountedSite(Site):
    """A site for which more than `LONG` waiting orders are many."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.monitor = Monitor(self.database, self.breaker, lambda: 0, clock=self.clock)

    def queue(self, number: int, currency: str = "KRW") -> None:
        keys = [f"{currency}-{self.clock.now:%H%M%S}-{each}" for each in range(number)]
        asked = [Order(user_id="u1", amount=100, currency=currency, idempotency_key=key) for key in keys]
        self.ledger.accept_queued(asked)

    def store(self) -> None:
        counted = self.database.read(lambda connection: count_all(connection, self.clock))
        self.database.write(lambda connection: store(connection, counted))

    def look(self) -> Backlog:
        return self.monitor.snapshot()


@pytest.fixture
def site(migrated_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[CountedSite]:
    monkeypatch.setattr(counts, "LONG", LONG)
    monkeypatch.setattr(counts, "EXACT", LONG)
    monkeypatch.setattr(counts, "SAMPLED", 2)
    monkeypatch.setattr(counts, "COUNTING", 60.0)  # However busy the machine is.
    site = CountedSite(migrated_url)
    yield site
    site.producer.close()


def test_a_short_backlog_is_counted_for_each_snapshot(site: CountedSite) -> None:
    site.queue(LONG)
    seen = site.look()
    assert (seen.counted, seen.queued, seen.due, seen.age_seconds) == (Counted.NOW, LONG, LONG, 0.0)
    assert not site.database.read(is_long)


def test_the_amounts_are_by_currency(site: CountedSite) -> None:
    site.queue(3)
    site.queue(1, currency="USD")
    assert site.look().amounts == {"KRW": 300, "USD": 100}


def test_of_a_long_backlog_a_snapshot_shows_what_a_worker_counted_and_how_old_that_is(
    site: CountedSite,
) -> None:
    site.queue(LONG + 1)
    assert site.database.read(is_long)
    counted = site.clock.now
    site.store()
    site.clock.advance(7)
    site.queue(3)
    seen = site.look()
    assert (seen.counted, seen.age_seconds, seen.at) == (Counted.STORED, 7.0, counted)
    assert (seen.queued, seen.due, seen.amounts) == (LONG + 1, LONG + 1, {"KRW": 600})


def test_every_number_survives_being_stored(site: CountedSite) -> None:
    site.queue(LONG - 1)
    site.producer.enqueue([order()])
    rejected = update(orders).where(orders.c.id == site.get().id).values(rejected=True, last_error="why")
    site.database.write(lambda connection: connection.execute(rejected))
    site.clock.advance(counts.STALLED_AFTER)
    before = site.look()
    site.store()
    after = site.look()
    assert after.counted is Counted.STORED
    names = set(Backlog.__dataclass_fields__) - {"counted", "aside_counted", "breaker"}
    assert {name: getattr(after, name) for name in names} == {name: getattr(before, name) for name in names}
    assert (after.rejected.orders, after.rejected.example) == (1, "why")


def test_a_new_count_replaces_the_one_before(site: CountedSite) -> None:
    site.queue(1)
    site.store()
    site.clock.advance(1)
    site.queue(1)
    site.store()
    assert site.look().queued == 2


def test_an_old_count_is_not_used(site: CountedSite) -> None:
    """Its worker has ended: what it counted says nothing about now."""
    site.queue(LONG)
    site.store()
    site.clock.advance(MAX_AGE)
    assert site.look().counted is Counted.STORED
    site.clock.advance(1)
    assert site.look().counted is Counted.NOW


def test_a_count_of_the_far_future_is_not_used(site: CountedSite) -> None:
    site.queue(1)
    site.clock.advance(3600)
    site.store()
    site.clock.advance(-3600)
    assert site.look().counted is Counted.NOW


def test_a_forgotten_count_is_not_used(site: CountedSite) -> None:
    site.store()
    assert site.database.read(has_stored)
    site.database.write(forget)
    assert not site.database.read(has_stored)
    assert site.look().counted is Counted.NOW


def test_numbers_of_another_version_are_not_used(site: CountedSite) -> None:
    other = StoredCount(site.clock.now, 0.0, {"queued": 9, "of_the_future": 1})
    site.database.write(lambda connection: store(connection, other))
    assert (site.look().counted, site.look().queued) == (Counted.NOW, 0)


def test_without_a_worker_the_number_of_orders_is_exact_and_the_rest_a_lower_bound(site: CountedSite) -> None:
    site.queue(LONG + 2)
    seen = site.look()
    assert (seen.counted, seen.queued, seen.due, seen.amounts) == (Counted.SAMPLED, LONG + 2, 2, {"KRW": 200})


def test_without_a_worker_the_oldest_order_is_known_all_the_same(site: CountedSite) -> None:
    site.queue(1)
    site.database.write(
        lambda connection: connection.execute(update(orders).values(dispatch_at=site.clock.now))
    )
    site.clock.advance(-50)
    site.queue(LONG)
    site.clock.advance(60)
    assert site.look().oldest_age_seconds == 60.0


def test_when_counting_takes_too_long_the_number_is_a_lower_bound(
    site: CountedSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counts, "CHUNK", 2)
    monkeypatch.setattr(counts, "COUNTING", -1.0)
    site.queue(LONG + 6)
    seen = site.look()
    assert (seen.counted, seen.queued) == (Counted.AT_LEAST, 6)
    assert seen.queued_text == "at least 6"


def test_however_long_it_takes_the_number_is_exact_where_that_costs_little(
    site: CountedSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the backlogs that a snapshot reads and those of which even the index is long."""
    monkeypatch.setattr(counts, "CHUNK", 2)
    monkeypatch.setattr(counts, "EXACT", LONG + 6)
    monkeypatch.setattr(counts, "COUNTING", -1.0)
    site.queue(LONG + 6)
    seen = site.look()
    assert (seen.counted, seen.queued, seen.due) == (Counted.SAMPLED, LONG + 6, 2)


def test_a_limit_is_counted_to_however_long_it_takes(
    site: CountedSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counts, "CHUNK", 2)
    monkeypatch.setattr(counts, "COUNTING", -1.0)
    site.queue(LONG + 6)
    assert site.monitor.snapshot(exact=9).queued == 10, "that is more than 9"
    assert (site.monitor.snapshot(exact=11).queued, site.monitor.snapshot(exact=11).counted) == (
        11,
        Counted.SAMPLED,
    )


@pytest.mark.parametrize("number", [LONG + 1, LONG + 2, LONG + 3])
def test_orders_are_counted_once_however_they_are_divided(
    site: CountedSite, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """All of one moment, so that only their ids tell them apart."""
    monkeypatch.setattr(counts, "CHUNK", 2)
    site.queue(number)
    assert (site.look().queued, site.look().counted) == (number, Counted.SAMPLED)


def test_the_document_says_how_it_was_counted(site: CountedSite) -> None:
    site.queue(LONG + 1)
    site.store()
    site.clock.advance(3)
    document = json.loads(json.dumps(backlog_document(site.look())))
    assert (document["counted"], document["age_seconds"], document["amounts"]) == (
        "stored",
        3.0,
        {"KRW": 600},
    )
