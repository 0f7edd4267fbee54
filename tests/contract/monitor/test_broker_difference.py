"""Which orders count as published: those with a message, for the dispatcher."""

from __future__ import annotations

from breakwall.monitor.broker_difference import HELD_PER_SLOT, count_published
from breakwall.worker.drain import drain
from tests.contract.site import Site, order


def published(site: Site) -> int:
    return site.database.read(lambda connection: count_published(connection, site.clock))


def test_an_order_is_published_while_its_message_counts_as_live(site: Site) -> None:
    site.producer.enqueue([order("a"), order("b")])
    site.advance(60)
    assert published(site) == 0
    site.dispatch_queue.take_due(1, republish_after=60)
    assert published(site) == 1
    site.advance(61)
    assert published(site) == 0


def test_an_order_that_waits_for_its_backoff_is_not_published(site: Site) -> None:
    site.ledger.accept_queued([order("a")], delay=300)
    assert published(site) == 0


def test_a_worker_holds_as_many_orders_as_is_assumed_here() -> None:
    assert drain.HELD_PER_SLOT == HELD_PER_SLOT
