"""Events reach the shop at least once, per order in their order, and nothing is given up silently."""

from __future__ import annotations

import logging

import pytest
from sqlalchemy import delete, event, func, insert, select, text

from breakwall.payments.db.schema import orders, outcomes
from breakwall.payments.orders import OrderStatus
from breakwall.payments.outcomes.channel import LEASE
from breakwall.payments.outcomes.delivering import BUSY, IDLE
from breakwall.payments.outcomes.destination import Result
from breakwall.payments.outcomes.event import Event
from breakwall.payments.outcomes.operator import forget, redeliver
from breakwall.payments.outcomes.outbox.claiming import SUSPECT_WAITS, claim
from breakwall.payments.outcomes.outbox.recording import record_delivered
from breakwall.payments.outcomes.outbox.taking import take_new
from breakwall.payments.outcomes.schedule import AFTER_HANG, DELAYS, MAX_TRIES, MAX_UNRECORDED, OUTAGE
from tests.contract.payments.outcomes.outbox_site import OutboxSite, PoolInThisThread, Shop, Worker

FAILS = Result("HTTP 500")


def test_an_end_is_told_once(outbox_site: OutboxSite) -> None:
    shop = Shop()
    worker = outbox_site.worker(shop)
    outbox_site.end("k1")
    worker.run()
    outbox_site.advance(LEASE)
    worker.run()
    assert shop.told == [("k1", "order.paid")]
    assert outbox_site.row() == (1, True, False, None)


def test_what_ended_before_the_destination_was_configured_is_not_told(outbox_site: OutboxSite) -> None:
    outbox_site.end("old")
    outbox_site.advance(1)
    shop = Shop()
    worker = outbox_site.worker(shop)
    outbox_site.end("new")
    worker.run()
    assert shop.told == [("new", "order.paid")]


def test_every_destination_is_told(outbox_site: OutboxSite) -> None:
    webhook, listener = Shop("webhook"), Shop("listener")
    worker = outbox_site.worker(webhook, listener)
    outbox_site.end("k1")
    worker.run()
    assert webhook.told == listener.told == [("k1", "order.paid")]


def test_a_worker_without_a_destination_leaves_its_events_to_others(outbox_site: OutboxSite) -> None:
    webhook, listener = Shop("webhook"), Shop("listener")
    with_webhook, without = outbox_site.worker(webhook), outbox_site.worker(listener)
    outbox_site.end("k1")
    without.run()
    with_webhook.run()
    assert webhook.told == listener.told == [("k1", "order.paid")]


def test_a_failure_is_tried_again_after_its_delay_with_the_same_bytes(outbox_site: OutboxSite) -> None:
    shop = Shop()
    shop.answers = [FAILS]
    worker = outbox_site.worker(shop)
    outbox_site.end("k1")
    worker.run()
    outbox_site.advance(DELAYS[0] - 0.1)
    worker.run()
    assert len(shop.asked) == 1
    outbox_site.advance(0.1)
    worker.run()
    assert [event.body for event in shop.asked] == [shop.asked[0].body] * 2
    assert [event.id for event in shop.asked] == [shop.asked[0].id] * 2
    assert shop.told == [("k1", "order.paid")]


def test_retry_after_counts(outbox_site: OutboxSite) -> None:
    shop = Shop()
    shop.answers = [Result("HTTP 503", retry_after=100.0)]
    worker = outbox_site.worker(shop)
    outbox_site.end("k1")
    worker.run()
    outbox_site.advance(99)
    worker.run()
    assert len(shop.asked) == 1
    outbox_site.advance(30)
    worker.run()
    assert len(shop.asked) == 2


def test_after_the_last_try_there_is_an_incident(outbox_site: OutboxSite) -> None:
    shop = Shop()
    shop.always = FAILS
    worker = outbox_site.worker(shop)
    outbox_site.end("k1")
    for delay in (*DELAYS, 1.0, 1.0):
        worker.run()
        outbox_site.advance(delay)
    assert len(shop.asked) == MAX_TRIES
    assert outbox_site.row() == (MAX_TRIES, False, True, "HTTP 500")
    [(kind, detail)] = outbox_site.incidents()
    assert kind == "undelivered"
    assert f"breakwall outcomes redeliver {shop.asked[0].id}" in detail


def test_a_later_event_of_an_order_waits_for_the_earlier_one(outbox_site: OutboxSite) -> None:
    shop = Shop()
    shop.answers = [FAILS]
    worker = outbox_site.worker(shop)
    outbox_site.end("k1", OrderStatus.REVIEW)
    worker.run()
    outbox_site.end("k1", OrderStatus.PAID)
    outbox_site.end("k2")
    worker.run()
    assert shop.told == [("k2", "order.paid")]
    outbox_site.advance(DELAYS[0])
    worker.run(6)
    assert shop.told == [("k2", "order.paid"), ("k1", "order.review"), ("k1", "order.paid")]


def test_an_order_is_told_in_its_order_by_two_workers(outbox_site: OutboxSite) -> None:
    shop = Shop()
    slow, fast = outbox_site.worker(shop, keeps=True), outbox_site.worker(shop)
    outbox_site.end("k1", OrderStatus.REVIEW)
    slow.run()
    outbox_site.end("k1", OrderStatus.PAID)
    fast.run()
    assert shop.told == []
    slow.pools[0].keeps = False
    slow.pools[0].run_kept()
    slow.run()
    fast.run()
    assert shop.told == [("k1", "order.review"), ("k1", "order.paid")]


def test_an_event_waits_while_an_earlier_one_is_not_taken(outbox_site: OutboxSite) -> None:
    # As while another worker's transaction takes the earlier one: the later one was taken first.
    outbox_site.worker(Shop())
    outbox_site.end("k1", OrderStatus.REVIEW)
    outbox_site.end("k1", OrderStatus.PAID)
    later = """
        INSERT INTO deliveries (outcome_id, destination, order_id, due_at)
        SELECT max(id), 'webhook', order_id, max(at) FROM outcomes GROUP BY order_id
    """
    taken = "UPDATE outcomes SET taken_at = at WHERE id = (SELECT max(id) FROM outcomes)"
    outbox_site.database.write(lambda connection: [connection.execute(text(one)) for one in (later, taken)])
    claimed = outbox_site.database.write(
        lambda connection: claim(connection, outbox_site.clock, "webhook", 10, lease=LEASE, is_idle=True)
    )
    assert claimed == []


def test_a_crash_between_delivery_and_record_repeats_the_same_event(outbox_site: OutboxSite) -> None:
    shop = Shop()
    crashed = outbox_site.worker(shop)
    outbox_site.end("k1")
    crashed.run(1)  # It has called the shop, and ends before the next round would record it.
    other = outbox_site.worker(shop)
    outbox_site.advance(LEASE - 1)
    other.run()
    assert len(shop.took) == 1
    outbox_site.advance(1)
    other.run()
    assert shop.told == [("k1", "order.paid")] * 2
    assert shop.took[0].id == shop.took[1].id
    assert shop.took[0].body == shop.took[1].body


def test_a_late_failure_of_a_lost_claim_changes_nothing(outbox_site: OutboxSite) -> None:
    hanging, healthy = Shop(), Shop()
    hanging.always = FAILS
    slow, fast = outbox_site.worker(hanging, keeps=True), outbox_site.worker(healthy)
    outbox_site.end("k1")
    slow.run()
    outbox_site.advance(LEASE)
    fast.run()
    slow.pools[0].kept[0].report_overdue()  # It fails now, when another worker has delivered it.
    slow.run()
    assert outbox_site.row() == (2, True, False, None)


def test_an_open_circuit_uses_up_no_try_and_is_left_alone(outbox_site: OutboxSite) -> None:
    shop = Shop()
    shop.always = FAILS
    worker = outbox_site.worker(shop)
    for number in range(20):
        outbox_site.end(f"k{number}")
    worker.run(10)
    assert len(shop.asked) == 10
    for _ in range(20):
        outbox_site.advance(1)
        worker.run()
    assert len(shop.asked) == 10
    shop.always = Result()
    outbox_site.advance(400)
    worker.run(40)
    assert len({event.id for event in shop.took}) == 20
    assert outbox_site.row()[0] == 1


def test_the_circuit_of_one_destination_does_not_stop_the_other(outbox_site: OutboxSite) -> None:
    webhook, listener = Shop("webhook"), Shop("listener")
    webhook.always = FAILS
    worker = outbox_site.worker(webhook, listener)
    for number in range(20):
        outbox_site.end(f"k{number}")
    worker.run(10)
    assert (len(webhook.asked), len(listener.took)) == (10, 20)


def test_the_circuit_is_the_fleets(outbox_site: OutboxSite) -> None:
    shop = Shop()
    shop.always = FAILS
    one, other = outbox_site.worker(shop), outbox_site.worker(shop)
    for number in range(20):
        outbox_site.end(f"k{number}")
    one.run(3)
    other.run(10)
    assert len(shop.asked) == 10


def test_an_endpoint_that_is_gone_gets_nothing_more_and_makes_an_incident(
    outbox_site: OutboxSite, caplog: pytest.LogCaptureFixture
) -> None:
    shop = Shop()
    shop.answers = [Result("HTTP 410", gone=True)]
    worker = outbox_site.worker(shop)
    outbox_site.end("k1")
    now = f"{outbox_site.clock.now:%Y-%m-%d %H:%M:%S} UTC: "
    worker.run()
    outbox_site.end("k2")
    outbox_site.advance(10)
    worker.run()
    assert len(shop.asked) == 1
    [(kind, detail)] = outbox_site.incidents()
    assert kind == "undelivered"
    assert detail.startswith(now)
    assert "breakwall outcomes enable webhook" in detail
    assert "it is tried again" not in caplog.text


def test_another_endpoint_gets_what_waited_for_the_one_that_is_gone(outbox_site: OutboxSite) -> None:
    shop = Shop()
    shop.answers = [Result("HTTP 410", gone=True)]
    worker = outbox_site.worker(shop)
    outbox_site.end("k1")
    worker.run()
    moved = Shop()
    moved.endpoint = "another digest"
    outbox_site.advance(10)
    outbox_site.worker(moved)
    assert moved.told == [("k1", "order.paid")]


def test_a_call_that_does_not_return_has_failed_and_counts_if_it_succeeds_late(
    outbox_site: OutboxSite,
) -> None:
    shop = Shop()
    worker = outbox_site.worker(shop, keeps=True)
    outbox_site.end("k1")
    worker.run()
    [call] = worker.pools[0].kept
    call.report_overdue()
    worker.run()
    assert outbox_site.row() == (1, False, False, "did not return within 15 s")
    worker.pools[0].run_kept()
    worker.run()
    assert outbox_site.row() == (1, True, False, None)


def test_what_waited_too_long_in_the_worker_is_given_back(outbox_site: OutboxSite) -> None:
    shop = Shop()
    worker = outbox_site.worker(shop, keeps=True)
    outbox_site.end("k1")
    worker.run()
    outbox_site.advance(LEASE - 20)
    worker.pools[0].run_kept()
    assert shop.asked == []
    worker.pools[0].keeps = False
    worker.run()
    assert shop.told == [("k1", "order.paid")]
    assert outbox_site.row()[0] == 1


def test_a_stop_gives_back_what_was_not_begun(outbox_site: OutboxSite) -> None:
    shop = Shop()
    worker = outbox_site.worker(shop, keeps=True)
    outbox_site.end("k1")
    worker.run()
    [call] = worker.pools[0].kept
    call.drop()
    worker.delivering.stop(0.0)
    assert outbox_site.row() == (0, False, False, None)
    outbox_site.worker(shop)
    assert shop.told == [("k1", "order.paid")]


def test_an_event_whose_order_is_deleted_stops_nothing(outbox_site: OutboxSite) -> None:
    shop = Shop()
    worker = outbox_site.worker(shop)
    outbox_site.end("k1")
    gone = delete(orders).where(orders.c.id == "order-k1")
    outbox_site.database.write(lambda connection: connection.execute(gone))
    outbox_site.end("k2")
    worker.run()
    assert shop.told == [("k2", "order.paid")]


def test_no_secret_of_the_order_is_told(outbox_site: OutboxSite) -> None:
    shop = Shop()
    worker = outbox_site.worker(shop)
    outbox_site.end("k1")
    worker.run()
    assert b"secret" not in shop.took[0].body


def test_a_destination_that_is_forgotten_while_it_is_used_is_told_what_ends_later(
    outbox_site: OutboxSite,
) -> None:
    shop = Shop()
    worker = outbox_site.worker(shop)
    forget(outbox_site.database, "webhook", clock=outbox_site.clock)
    worker.run()
    assert outbox_site.known_destinations() == {"webhook"}
    outbox_site.advance(1)
    outbox_site.end("k1")
    worker.run()
    assert shop.told == [("k1", "order.paid")]


def test_a_round_takes_nothing_before_its_destinations_are_known(outbox_site: OutboxSite) -> None:
    shop = Shop()
    worker = outbox_site.worker(shop)
    forget(outbox_site.database, "webhook", clock=outbox_site.clock)
    outbox_site.end("k1")
    worker.run()
    assert shop.told == [("k1", "order.paid")]


def test_an_event_that_ends_its_worker_each_time_is_given_up_with_an_incident(
    outbox_site: OutboxSite,
) -> None:
    shop = Shop()
    outbox_site.worker(shop)
    outbox_site.end("poison")
    for _ in range(MAX_UNRECORDED + 3):
        outbox_site.worker(shop, keeps=True)  # It claims the event, and dies.
        outbox_site.advance(LEASE)
    assert outbox_site.row()[2]
    [(kind, detail)] = outbox_site.incidents()
    assert kind == "undelivered"
    assert f"in {MAX_UNRECORDED} tries" in detail
    assert redeliver(outbox_site.database, all_failed=True, clock=outbox_site.clock).number == 1
    outbox_site.worker(shop)
    assert shop.told == [("poison", "order.paid")]


def test_the_last_try_counts_even_if_its_worker_dies(outbox_site: OutboxSite) -> None:
    shop = Shop()
    shop.always = FAILS
    worker = outbox_site.worker(shop)
    outbox_site.end("k1")
    for delay in DELAYS:
        worker.run()
        outbox_site.advance(delay)
    outbox_site.worker(shop, keeps=True)
    for _ in range(3):
        outbox_site.advance(LEASE)
        worker.run()
    assert len(shop.asked) == MAX_TRIES - 1
    assert outbox_site.row()[2]
    assert len(outbox_site.incidents()) == 1


def test_an_event_that_ends_its_worker_takes_no_other_event_with_it(outbox_site: OutboxSite) -> None:
    outbox_site.worker(Shop())
    for key in ("poison", "innocent"):
        outbox_site.end(key)
    outbox_site.database.write(lambda connection: take_new(connection, outbox_site.clock, 10))
    told: list[str] = []
    for _ in range(MAX_UNRECORDED + 1):
        told += claim_until_it_dies(outbox_site)
        outbox_site.advance(LEASE)
    assert told == ["innocent"]


def suspect_and_two_others(site: OutboxSite) -> tuple[Worker, PoolInThisThread]:
    """A worker with an event in hand, for which a suspect and another event are due."""
    worker = site.worker(Shop(), keeps=True)
    site.end("before")
    worker.run()
    for key in ("suspect", "other"):
        site.end(key)
    site.database.write(lambda connection: take_new(connection, site.clock, 10))
    doubted = "UPDATE deliveries SET unrecorded = 2 WHERE order_id = 'order-suspect'"
    site.database.write(lambda connection: connection.execute(text(doubted)))
    return worker, worker.pools[0]


def test_an_event_that_may_end_its_worker_waits_until_nothing_else_is_in_hand(
    outbox_site: OutboxSite,
) -> None:
    worker, pool = suspect_and_two_others(outbox_site)
    worker.run()
    assert pool.kept_keys == ["before", "other"]
    pool.run_kept()
    worker.run()
    assert pool.kept_keys == ["suspect"]


def test_nothing_is_claimed_beside_an_event_that_may_end_its_worker(outbox_site: OutboxSite) -> None:
    worker, pool = suspect_and_two_others(outbox_site)
    worker.run()
    pool.run_kept()
    worker.run()
    outbox_site.end("after")
    worker.run()
    assert pool.kept_keys == ["suspect"]
    pool.run_kept()
    worker.run()
    assert pool.kept_keys == ["after"]


def test_an_event_that_may_end_its_worker_does_not_wait_forever(outbox_site: OutboxSite) -> None:
    worker, pool = suspect_and_two_others(outbox_site)
    outbox_site.advance(SUSPECT_WAITS)
    worker.run()
    assert pool.kept_keys == ["before"]
    pool.run_kept()
    worker.run()
    assert pool.kept_keys == ["suspect"]


def test_an_error_that_no_database_can_hold_stops_nothing(outbox_site: OutboxSite) -> None:
    shop = Shop()
    shop.answers = [Result("at /srv/\udcff/hooks.py:1 \0" + "x" * 1000)]
    worker = outbox_site.worker(shop)
    outbox_site.end("k1")
    outbox_site.end("k2")
    worker.run()
    assert shop.told == [("k2", "order.paid")]
    outbox_site.advance(DELAYS[0])
    shop.answers = [Result("\udcff", gone=True)]
    worker.run()
    assert outbox_site.row()[1]


def test_outcomes_that_many_orders_came_before_are_recorded(outbox_site: OutboxSite) -> None:
    shop = Shop()
    shop.answers = [FAILS]
    worker = outbox_site.worker(shop)
    outbox_site.end("k1")
    outbox_site.database.write(
        lambda connection: connection.execute(text(f"UPDATE outcomes SET id = {2**31}"))
    )
    worker.run()
    assert outbox_site.row() == (1, False, False, "HTTP 500")


def test_an_event_that_cannot_be_written_delays_no_other_one(
    outbox_site: OutboxSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    def body(event: Event) -> bytes:
        if event.idempotency_key == "k1":
            raise UnicodeEncodeError("utf-8", "", 0, 1, "it is no text")
        return b"{}"

    monkeypatch.setattr(Event, "body", property(body))
    shop = Shop()
    shop.needs_body = True
    worker = outbox_site.worker(shop)
    outbox_site.end("k1")
    outbox_site.end("k2")
    worker.run()
    assert shop.told == [("k2", "order.paid")]
    outbox_site.advance(DELAYS[0])
    worker.run()
    assert len(shop.asked) == 3


def claim_until_it_dies(site: OutboxSite) -> list[str]:
    """What a worker tells before it claims the event that ends it."""
    told: list[str] = []
    while True:
        claimed = site.database.write(
            lambda connection: claim(connection, site.clock, "webhook", 10, lease=LEASE, is_idle=True)
        )
        keys = [one.event.idempotency_key for one in claimed if not one.is_spent]
        if not keys or "poison" in keys:
            return told
        recorded = claimed
        site.database.write(lambda connection: record_delivered(connection, site.clock, recorded))  # noqa: B023
        told += keys


def test_nothing_is_written_while_an_event_waits_for_the_earlier_one_of_its_order(
    outbox_site: OutboxSite,
) -> None:
    shop = Shop()
    shop.answers = [FAILS] * 4
    worker = outbox_site.worker(shop)
    outbox_site.end("k1", OrderStatus.REVIEW)
    for delay in DELAYS[:4]:
        worker.run()
        outbox_site.advance(delay)
    worker.run()
    outbox_site.end("k1", OrderStatus.DEAD)
    shop.always = FAILS
    outbox_site.advance(DELAYS[3])
    worker.run(4)
    written: list[str] = []

    def note(connection: object, cursor: object, statement: str, *rest: object) -> None:
        if statement.startswith(("INSERT", "UPDATE", "DELETE", "BEGIN IMMEDIATE")):
            written.append(statement)

    event.listen(outbox_site.database.engine, "before_cursor_execute", note)
    assert [worker.delivering.run_once() for _ in range(5)] == [IDLE] * 5
    assert written == []


def test_a_round_that_moves_an_event_is_followed_soon(outbox_site: OutboxSite) -> None:
    worker = outbox_site.worker(Shop())
    outbox_site.end("k1")
    assert worker.delivering.run_once() == BUSY


def test_a_new_event_does_not_wait_for_those_from_before_its_destination(outbox_site: OutboxSite) -> None:
    old = [
        {"order_id": f"old-{number}", "status": "paid", "retry_count": 0, "at": outbox_site.clock.now}
        for number in range(50)
    ]
    outbox_site.database.write(lambda connection: connection.execute(insert(outcomes), old))
    outbox_site.advance(1)
    shop = Shop()
    worker = outbox_site.worker(shop, batch=5)
    outbox_site.end("new")
    worker.run(2)
    assert shop.told == [("new", "order.paid")]
    left = select(func.count()).select_from(outcomes).where(outcomes.c.taken_at.is_(None))
    assert outbox_site.database.read(lambda connection: connection.scalar(left)) == 0


def test_several_calls_in_hand_that_hear_that_an_endpoint_is_gone_make_one_incident(
    outbox_site: OutboxSite,
) -> None:
    shop = Shop()
    shop.always = Result("HTTP 410", gone=True)
    worker = outbox_site.worker(shop)
    for number in range(5):
        outbox_site.end(f"k{number}")
    worker.run()
    assert len(shop.asked) == 5
    assert len(outbox_site.incidents()) == 1


def test_a_listener_that_hangs_with_one_event_is_asked_twice(outbox_site: OutboxSite) -> None:
    listener = Shop("listener")
    worker = outbox_site.worker(listener, keeps=True)
    outbox_site.end("poison")
    worker.run()
    worker.pools[0].kept.pop().report_overdue()
    worker.run()
    outbox_site.advance(AFTER_HANG - 1)
    worker.run()
    assert worker.pools[0].kept == []
    outbox_site.advance(1)
    worker.run()
    worker.pools[0].kept.pop().report_overdue()
    worker.run()
    assert outbox_site.row("listener") == (2, False, True, "did not return within 15 s")
    [(kind, detail)] = outbox_site.incidents()
    assert kind == "undelivered"
    assert "in 2 tries" in detail


def test_a_hang_after_another_failure_is_the_first_one(outbox_site: OutboxSite) -> None:
    listener = Shop("listener")
    listener.answers = [FAILS]
    worker = outbox_site.worker(listener)
    outbox_site.end("k1")
    worker.run()
    outbox_site.advance(DELAYS[0])
    worker.pools[0].keeps = True
    worker.run()
    worker.pools[0].kept.pop().report_overdue()
    worker.run()
    assert outbox_site.row("listener") == (2, False, False, "did not return within 15 s")


def test_a_worker_whose_threads_all_hang_makes_an_incident_and_logs_an_error(
    outbox_site: OutboxSite, caplog: pytest.LogCaptureFixture
) -> None:
    worker = outbox_site.worker(Shop("listener"), keeps=True)
    outbox_site.end("poison")
    worker.run()
    worker.pools[0].kept.pop().report_overdue()
    worker.pools[0].blocked = True
    worker.run()
    [(kind, detail)] = outbox_site.incidents()
    assert kind == "undelivered"
    assert "restart the worker" in detail
    assert any(record.levelno == logging.ERROR for record in caplog.records)


def test_an_endpoint_that_is_dead_for_an_hour_makes_one_incident(
    outbox_site: OutboxSite, caplog: pytest.LogCaptureFixture
) -> None:
    shop = Shop()
    shop.always = FAILS
    worker, other = outbox_site.worker(shop), outbox_site.worker(shop)
    for hour in range(4):
        for number in range(20):
            outbox_site.end(f"k{hour}-{number}")
        for _ in range(4):
            outbox_site.advance(OUTAGE / 4)
            worker.run(4)
            other.run(4)
    [(kind, detail)] = outbox_site.incidents()
    assert kind == "undelivered"
    assert "the webhook takes no outcomes" in detail
    opened = [record for record in caplog.records if "circuit outcomes-webhook opened" in record.message]
    assert 1 <= len(opened) <= 2  # Each process says it once.


def test_an_outage_that_is_shorter_makes_no_incident(outbox_site: OutboxSite) -> None:
    shop = Shop()
    shop.always = FAILS
    worker = outbox_site.worker(shop)
    for number in range(20):
        outbox_site.end(f"k{number}")
    for _ in range(10):
        worker.run()
        outbox_site.advance(OUTAGE / 12)
    assert outbox_site.incidents() == []


def test_the_end_of_an_outage_is_logged(outbox_site: OutboxSite, caplog: pytest.LogCaptureFixture) -> None:
    shop = Shop()
    shop.always = FAILS
    worker = outbox_site.worker(shop)
    for number in range(20):
        outbox_site.end(f"k{number}")
    worker.run(10)
    shop.always = Result()
    for _ in range(5):
        outbox_site.advance(400)
        worker.run(10)
    assert "the webhook takes outcomes again" in caplog.text


def test_a_stop_stops_every_destination_before_it_waits_for_one(outbox_site: OutboxSite) -> None:
    worker = outbox_site.worker(Shop("webhook"), Shop("listener"))
    stopped: list[bool] = []
    first, second = worker.pools
    waits = first.stop

    def stop(timeout: float) -> bool:
        stopped.append(second.room == 0)
        return waits(timeout)

    first.stop = stop  # type: ignore[method-assign]
    worker.delivering.stop(0.0)
    assert stopped == [True]
