"""What a person does with deliveries."""

from __future__ import annotations

import pytest
from sqlalchemy import delete

from breakwall.payments.db.schema import destinations
from breakwall.payments.fleet.workers import DEAD_AFTER
from breakwall.payments.orders import OrderStatus
from breakwall.payments.outcomes.delivering import register_ways
from breakwall.payments.outcomes.destination import Result
from breakwall.payments.outcomes.operator import (
    DeliveryState,
    DestinationInUseError,
    EventNotFoundError,
    Redelivered,
    StoredDelivery,
    Waiting,
    deliveries_of,
    enable,
    forget,
    list_deliveries,
    redeliver,
    waiting_for,
)
from breakwall.payments.outcomes.schedule import DELAYS, OUTAGE, TAKEN_WITHIN
from breakwall.worker.background.heartbeat import Heartbeat
from tests.contract.payments.outcomes.outbox_site import OutboxSite, Shop, Worker

FAILS = Result("HTTP 500")


def listed(site: OutboxSite, **chosen: object) -> list[StoredDelivery]:
    return site.database.read(lambda connection: list_deliveries(connection, limit=100, **chosen))  # type: ignore[arg-type]


def give_up(site: OutboxSite, worker: Worker) -> None:
    for delay in (*DELAYS, 1.0):
        worker.run()
        site.advance(delay)
    worker.run()


def undelivered(site: OutboxSite) -> int:
    return sum(one.count for one in waiting(site))


def told(site: OutboxSite, order_id: str) -> list[StoredDelivery]:
    return site.database.read(lambda connection: deliveries_of(connection, order_id))


def test_an_orders_deliveries_are_listed_first_to_last(outbox_site: OutboxSite) -> None:
    worker = outbox_site.worker(Shop())
    outbox_site.end("other")
    outbox_site.end("cart-1", OrderStatus.REVIEW)
    worker.run()
    outbox_site.end("cart-1")
    found = told(outbox_site, "order-cart-1")
    assert [(one.type, one.state) for one in found] == [
        ("order.review", DeliveryState.DELIVERED),
        ("order.paid", DeliveryState.NEW),
    ]


def test_where_nobody_is_told_an_order_has_no_deliveries(outbox_site: OutboxSite) -> None:
    outbox_site.end("cart-1")
    assert told(outbox_site, "order-cart-1") == []


def test_a_list_shows_what_became_of_each_event(outbox_site: OutboxSite) -> None:
    shop = Shop()
    worker = outbox_site.worker(shop)
    outbox_site.end("told")
    worker.run()
    shop.always = FAILS
    outbox_site.end("waits")
    worker.run()
    outbox_site.end("new")
    found = listed(outbox_site)
    assert [one.idempotency_key for one in found] == ["new", "waits", "told"]
    assert [(one.order_id, one.state, one.tries, one.last_error) for one in found] == [
        ("order-new", DeliveryState.NEW, 0, None),
        ("order-waits", DeliveryState.WAITING, 1, "HTTP 500"),
        ("order-told", DeliveryState.DELIVERED, 1, None),
    ]
    assert [one.event_id for one in found[1:]] == [event.id for event in reversed(shop.asked)]
    [waiting] = listed(outbox_site, states=[DeliveryState.WAITING], destination="webhook")
    assert waiting.order_id == "order-waits"
    assert listed(outbox_site, order_id="order-told")[0].type == "order.paid"
    assert undelivered(outbox_site) == 2


def test_what_was_given_up_is_delivered_again_with_all_of_its_tries(outbox_site: OutboxSite) -> None:
    shop = Shop()
    shop.always = FAILS
    worker = outbox_site.worker(shop)
    outbox_site.end("k1")
    give_up(outbox_site, worker)
    outbox_site.advance(400)
    assert redeliver(outbox_site.database, all_failed=True, clock=outbox_site.clock).number == 1
    worker.run()
    assert outbox_site.row()[0] == 1
    shop.always = Result()
    outbox_site.advance(400)
    worker.run()
    assert shop.told == [("k1", "order.paid")]
    assert len({event.id for event in shop.asked}) == 1


def test_giving_up_once_more_is_another_incident(outbox_site: OutboxSite) -> None:
    shop = Shop()
    shop.always = FAILS
    worker = outbox_site.worker(shop)
    outbox_site.end("k1")
    give_up(outbox_site, worker)
    redeliver(outbox_site.database, all_failed=True, clock=outbox_site.clock)
    give_up(outbox_site, worker)
    assert len(outbox_site.incidents()) == 2


def test_what_waits_is_delivered_now(outbox_site: OutboxSite) -> None:
    shop = Shop()
    shop.answers = [FAILS]
    worker = outbox_site.worker(shop)
    outbox_site.end("k1")
    worker.run()
    assert redeliver(outbox_site.database, event_ids=[shop.asked[0].id], clock=outbox_site.clock).number == 1
    worker.run()
    assert shop.told == [("k1", "order.paid")]


def test_all_events_of_an_order_are_delivered_once_more_in_their_order(outbox_site: OutboxSite) -> None:
    shop = Shop()
    worker = outbox_site.worker(shop)
    outbox_site.end("k1", OrderStatus.REVIEW)
    outbox_site.end("k1", OrderStatus.PAID)
    outbox_site.end("k2")
    worker.run(6)
    assert redeliver(outbox_site.database, order_id="order-k1", clock=outbox_site.clock).number == 2
    shop.took.clear()
    worker.run(6)
    assert shop.told == [("k1", "order.review"), ("k1", "order.paid")]


@pytest.mark.parametrize("text", ["evt_1_aaaaaaaaaaaaaaaa", "evt_99_aaaaaaaaaaaaaaaa", "nonsense"])
def test_an_unknown_id_changes_nothing(outbox_site: OutboxSite, text: str) -> None:
    shop = Shop()
    worker = outbox_site.worker(shop)
    outbox_site.end("k1")
    worker.run()
    with pytest.raises(EventNotFoundError, match="outcomes list"):
        redeliver(outbox_site.database, event_ids=[shop.took[0].id, text], clock=outbox_site.clock)
    assert listed(outbox_site)[0].state is DeliveryState.DELIVERED


def test_something_has_to_be_chosen(outbox_site: OutboxSite) -> None:
    with pytest.raises(ValueError, match="name events"):
        redeliver(outbox_site.database)


def test_an_endpoint_that_was_gone_gets_what_waited_once_it_is_enabled(outbox_site: OutboxSite) -> None:
    shop = Shop()
    shop.answers = [Result("HTTP 410", gone=True)]
    worker = outbox_site.worker(shop)
    outbox_site.end("k1")
    worker.run()
    outbox_site.end("k2")
    outbox_site.advance(10)
    assert enable(outbox_site.database, "webhook")
    assert not enable(outbox_site.database, "webhook")
    worker.run()
    assert sorted(shop.told) == [("k1", "order.paid"), ("k2", "order.paid")]


def test_nothing_waits_for_a_destination_that_is_forgotten(outbox_site: OutboxSite) -> None:
    removed, other = Shop("task"), Shop("listener")
    removed.always = FAILS
    outbox_site.worker(removed)
    worker = outbox_site.worker(other)
    outbox_site.end("k1")
    worker.run()
    assert forget(outbox_site.database, "task", clock=outbox_site.clock) == 1
    assert forget(outbox_site.database, "task", clock=outbox_site.clock) is None
    outbox_site.end("k2")
    worker.run()
    assert other.told == [("k1", "order.paid"), ("k2", "order.paid")]
    assert [one.state for one in listed(outbox_site, destination="task")] == [DeliveryState.FAILED]
    assert outbox_site.incidents() == []


def test_nothing_is_redelivered_to_a_forgotten_destination(outbox_site: OutboxSite) -> None:
    shop = Shop()
    shop.always = FAILS
    worker = outbox_site.worker(shop)
    outbox_site.end("k1")
    worker.run()
    assert forget(outbox_site.database, "webhook", clock=outbox_site.clock) == 1
    done = redeliver(outbox_site.database, all_failed=True, clock=outbox_site.clock)
    assert done == Redelivered({}, {"webhook": 1})
    assert undelivered(outbox_site) == 0


def test_a_destination_that_a_live_worker_has_cannot_be_forgotten(outbox_site: OutboxSite) -> None:
    shop = Shop()
    shop.always = FAILS
    worker = outbox_site.worker(shop)
    outbox_site.end("k1")
    worker.run()
    heartbeat = Heartbeat(outbox_site.database, ways=("webhook",), clock=outbox_site.clock)
    heartbeat.identify("celery@web-1", 20)
    heartbeat.run_once()
    with pytest.raises(DestinationInUseError, match="celery@web-1"):
        forget(outbox_site.database, "webhook", clock=outbox_site.clock)
    assert undelivered(outbox_site) == 1
    outbox_site.advance(DEAD_AFTER + 1)
    assert forget(outbox_site.database, "webhook", clock=outbox_site.clock) == 1


def test_forget_ends_what_waits_for_a_destination_that_is_forgotten_already(outbox_site: OutboxSite) -> None:
    shop = Shop()
    shop.always = FAILS
    worker = outbox_site.worker(shop)
    outbox_site.end("k1")
    worker.run()
    outbox_site.database.write(lambda connection: connection.execute(delete(destinations)))
    assert forget(outbox_site.database, "webhook", clock=outbox_site.clock) == 1
    assert undelivered(outbox_site) == 0
    assert forget(outbox_site.database, "webhook", clock=outbox_site.clock) is None


def test_what_waits_is_counted_by_destination_and_late_after_an_hour(outbox_site: OutboxSite) -> None:
    webhook, listener = Shop("webhook"), Shop("listener")
    webhook.always = FAILS
    worker = outbox_site.worker(webhook, listener)
    outbox_site.end("k1")
    worker.run()
    assert waiting(outbox_site) == [
        Waiting("listener", 0, late=False, gone=False),
        Waiting("webhook", 1, late=False, gone=False, last_error="HTTP 500"),
    ]
    outbox_site.advance(OUTAGE)
    assert waiting(outbox_site)[1].late


def test_what_no_worker_has_taken_waits_for_the_destinations_that_will_get_it(
    outbox_site: OutboxSite,
) -> None:
    register(outbox_site, "webhook")
    outbox_site.end("k1")
    outbox_site.advance(1)
    register(outbox_site, "task")
    outbox_site.end("k2")
    assert [(one.destination, one.count) for one in waiting(outbox_site)] == [("task", 1), ("webhook", 2)]


def test_what_no_worker_has_taken_is_not_delivered_to_any_destination(outbox_site: OutboxSite) -> None:
    register(outbox_site, "webhook", "task")
    outbox_site.end("k1")
    assert undelivered(outbox_site) == 2


def test_what_a_worker_takes_waits_beside_what_none_has_taken(outbox_site: OutboxSite) -> None:
    shop = Shop()
    shop.always = FAILS
    worker = outbox_site.worker(shop)
    outbox_site.end("k1")
    worker.run()
    outbox_site.end("k2")
    assert waiting(outbox_site) == [Waiting("webhook", 2, late=False, gone=False, last_error="HTTP 500")]


def test_what_ended_before_the_first_destination_waits_for_nobody(outbox_site: OutboxSite) -> None:
    outbox_site.end("k1")
    assert waiting(outbox_site) == []
    outbox_site.advance(1)
    register(outbox_site, "webhook")
    outbox_site.advance(OUTAGE)
    assert waiting(outbox_site) == [Waiting("webhook", 0, late=False, gone=False)]
    assert undelivered(outbox_site) == 0


def test_what_no_worker_has_taken_is_late_after_an_hour(outbox_site: OutboxSite) -> None:
    register(outbox_site, "webhook")
    outbox_site.end("k1")
    outbox_site.advance(OUTAGE - 1)
    assert not waiting(outbox_site)[0].late
    outbox_site.advance(1)
    assert waiting(outbox_site)[0].late


def test_what_no_worker_has_taken_is_noticed_after_a_minute(outbox_site: OutboxSite) -> None:
    register(outbox_site, "webhook")
    outbox_site.end("k1")
    outbox_site.advance(TAKEN_WITHIN - 1)
    assert waiting(outbox_site)[0].untaken == 0
    outbox_site.advance(1)
    outbox_site.end("k2")
    assert waiting(outbox_site)[0].untaken == 1


def test_what_a_worker_has_taken_is_not_untaken_however_long_it_waits(outbox_site: OutboxSite) -> None:
    shop = Shop()
    shop.always = FAILS
    worker = outbox_site.worker(shop)
    outbox_site.end("k1")
    worker.run()
    outbox_site.advance(TAKEN_WITHIN)
    assert [(one.count, one.untaken) for one in waiting(outbox_site)] == [(1, 0)]


def test_only_the_address_that_is_configured_now_is_gone(outbox_site: OutboxSite) -> None:
    shop = Shop()
    shop.answers = [Result("HTTP 410", gone=True)]
    worker = outbox_site.worker(shop)
    outbox_site.end("k1")
    worker.run()
    assert [waiting(outbox_site, **now)[0].gone for now in ({}, {"webhook": "digest"}, {"webhook": "x"})] == [
        True,
        True,
        False,
    ]


def waiting(site: OutboxSite, **endpoints: str) -> list[Waiting]:
    return site.database.read(lambda connection: waiting_for(connection, site.clock, endpoints=endpoints))


def register(site: OutboxSite, *names: str) -> None:
    """Make them known, as a worker does whose process that delivers does not run."""
    register_ways(site.database.engine, names, site.clock)
