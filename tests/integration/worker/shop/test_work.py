"""A shop's own Celery worker drains our queue, and does its own tasks as before."""

from __future__ import annotations

import itertools
import json
import signal
from typing import Any

import pytest
import redis
from kombu import Connection

from breakwall.broker.config import QUEUE, TASK
from breakwall.settings import load_settings
from breakwall.wiring import open_database
from tests.every_case import every_case
from tests.integration.broker_worker import times_told_of, wait_until
from tests.integration.worker.shop.shop_fixtures import CeleryShop

NAMES = [f"n{number}" for number in range(8)]
KOMBUS = "unacked"  # Where the shop's unacknowledged messages are in Redis.

POOLS = ("prefork", "threads")
BROKERS = ("redis", "rabbitmq")
# What is ours is in the worker's main process, whatever the pool is: with all cases, each broker has each pool.
COMBINED = list(itertools.product(BROKERS, POOLS) if every_case() else zip(BROKERS, POOLS, strict=True))

on_each_broker_with_a_pool = pytest.mark.parametrize(("shop", "pool"), COMBINED, indirect=["shop"])


def attempts_in_hand(shop: CeleryShop) -> int:
    """How many attempts were begun and have no outcome."""
    database = open_database(load_settings(shop.orders.environ))
    try:
        with database.engine.connect() as connection:
            count = connection.exec_driver_sql("SELECT count(*) FROM attempts WHERE outcome IS NULL").scalar()
    finally:
        database.close()
    assert isinstance(count, int)
    return count


def ready(shop: CeleryShop) -> dict[str, Any]:
    """What the last worker was like when it was ready."""
    found: dict[str, Any] = json.loads((shop.terminal.folder / "worker.json").read_text())
    return found


@on_each_broker_with_a_pool
def test_orders_are_paid_after_an_outage_and_the_shops_tasks_are_done_during_it(
    shop: CeleryShop, pool: str
) -> None:
    shop.service.control.set_faults(down=True)
    with shop.worker("-P", pool, "-c", "2") as worker:
        shop.orders.place(5)
        shop.orders.enqueue(30)
        shop.greet(NAMES)
        assert shop.has_greeted(NAMES), worker.log
        assert "paid" not in shop.orders.statuses()
        (seen,) = shop.orders.run("workers")["workers"]
        assert (seen["name"].partition("@")[0], seen["slots"]) == ("celery", 4)
        shop.service.control.clear_faults()
        assert shop.all_paid(), worker.log
    assert shop.are_charged_once()
    assert "Traceback" not in worker.log


def test_gevents_pool_works_too(redis_shop: CeleryShop) -> None:
    with redis_shop.worker("-P", "gevent") as worker:
        redis_shop.orders.enqueue(20)
        redis_shop.greet(NAMES)
        assert redis_shop.all_paid(), worker.log
        assert redis_shop.has_greeted(NAMES), worker.log
    assert redis_shop.are_charged_once()


def test_a_solo_pool_that_is_busy_holds_up_no_payment(redis_shop: CeleryShop) -> None:
    with redis_shop.worker("-P", "solo") as worker:
        redis_shop.greet(["long"], held=True)
        assert redis_shop.has_begun("long"), worker.log
        redis_shop.orders.enqueue(20)
        assert redis_shop.all_paid(), worker.log
        assert redis_shop.greeted() == set()
        redis_shop.release()


def test_children_that_are_forked_in_the_middle_of_a_drain_disturb_nothing(redis_shop: CeleryShop) -> None:
    redis_shop.service.control.set_faults(latency=[0.02, 0.1])
    with redis_shop.worker("-c", "2", "--max-tasks-per-child", "1") as worker:
        redis_shop.orders.enqueue(100)
        redis_shop.greet(NAMES)
        assert redis_shop.has_greeted(NAMES), worker.log
        assert redis_shop.all_paid(), worker.log
    assert redis_shop.are_charged_once()


@on_each_broker_with_a_pool
def test_after_sigterm_nothing_is_in_hand_and_the_next_worker_finishes_both_kinds_of_work(
    shop: CeleryShop, pool: str
) -> None:
    shop.service.control.set_faults(latency=1.0)
    with shop.worker("-P", pool, "-c", "1") as worker:
        shop.orders.enqueue(30)
        shop.greet(NAMES, held=True)
        assert shop.has_begun(NAMES[0]), worker.log
        assert wait_until(lambda: attempts_in_hand(shop) > 0), worker.log
        worker.process.send_signal(signal.SIGTERM)
        shop.release()
    statuses = shop.orders.statuses()
    assert attempts_in_hand(shop) == 0, worker.log
    assert set(statuses) == {"queued", "paid"}
    shop.service.control.clear_faults()
    with shop.worker("-P", pool, "-c", "2") as worker:
        assert shop.has_greeted(NAMES), worker.log
        assert shop.all_paid(), worker.log
    assert shop.are_charged_once()


def test_a_cold_shutdown_leaves_no_payment_in_hand_either(redis_shop: CeleryShop) -> None:
    redis_shop.service.control.set_faults(latency=1.0)
    with redis_shop.worker(
        "-P", "threads", exit_codes=(0, 1)
    ) as worker:  # Celery's: what it was doing decides
        redis_shop.orders.enqueue(30)
        assert wait_until(lambda: attempts_in_hand(redis_shop) > 0), worker.log
        worker.process.send_signal(signal.SIGQUIT)
        worker.process.wait(60)
    assert attempts_in_hand(redis_shop) == 0, worker.log


@pytest.mark.parametrize("pool", ["prefork", "threads"])
def test_no_setting_queue_route_logger_or_signal_handler_of_the_shop_is_changed(
    redis_shop: CeleryShop, pool: str
) -> None:
    redis_shop.configure(worker_hijack_root_logger=False, task_always_eager=False, worker_concurrency=2)
    with redis_shop.worker("-P", pool):
        beside = ready(redis_shop)
    redis_shop.terminal.environ["SHOP_ALONE"] = "1"
    with redis_shop.worker("-P", pool):
        alone = ready(redis_shop)
    # Celery itself lists there the modules of all tasks, once a worker starts.
    ours = "breakwall.worker.shop.task"
    assert ours in beside["conf"].pop("include")
    assert ours not in alone["conf"].pop("include")
    beside["environment"].append("SHOP_ALONE")
    assert sorted(beside.pop("environment")) == sorted(alone.pop("environment"))
    for name, found in alone.items():
        assert beside[name] == found


def test_our_queue_may_be_on_another_broker_than_the_shops(redis_shop: CeleryShop, rabbitmq_url: str) -> None:
    redis_shop.terminal.environ["SHOP_BROKER"] = rabbitmq_url
    redis_shop.terminal.set(BROKER_URL=redis_shop.orders.environ["BREAKWALL_BROKER_URL"])
    with redis_shop.worker("-P", "threads") as worker:
        redis_shop.orders.enqueue(20)
        assert redis_shop.all_paid(), worker.log
    assert f"Breakwall drains {QUEUE} at redis://" in worker.log
    assert "Connected to amqp://" in worker.log


def test_unacknowledged_messages_of_the_shop_stay_the_shops(redis_shop: CeleryShop, redis_url: str) -> None:
    """In kombu's own keys, which a worker with a shorter visibility timeout would empty."""
    redis_shop.configure(broker_transport_options={"visibility_timeout": 10**9})
    kept = json.dumps([{}, "", "shop"])
    with redis.Redis.from_url(redis_url) as client, redis_shop.worker("-P", "threads") as worker:
        client.hset(KOMBUS, "long task", kept)
        client.zadd(f"{KOMBUS}_index", {"long task": 1e9})  # delivered in 2001
        ours = f"{QUEUE}.unacked"
        client.hset(ours, "a dead worker's", kept)
        client.zadd(f"{ours}_index", {"a dead worker's": 1e9})
        assert wait_until(lambda: not client.hexists(ours, "a dead worker's")), worker.log
        assert client.hexists(KOMBUS, "long task")


def test_a_message_that_reaches_the_shops_own_consumer_is_worked_on_and_not_lost(
    redis_shop: CeleryShop,
) -> None:
    with redis_shop.worker("-c", "1") as worker:
        with Connection(redis_shop.terminal.environ["SHOP_BROKER"]) as connection:
            sender = connection.SimpleQueue("shop")
            body: list[Any] = [["stray-order"], {}, {}]
            headers = {"task": TASK, "id": "stray", "lang": "py", "argsrepr": "", "kwargsrepr": ""}
            sender.put(body, headers=headers, serializer="json")
            sender.put([[7], {}, {}], headers=headers, serializer="json")
        assert wait_until(lambda: times_told_of("stray-order", worker.log) == 1), worker.log
        worker.wait_for("set aside a strange message: its arguments are no orders")
        redis_shop.greet(NAMES)
        assert redis_shop.has_greeted(NAMES), worker.log


def test_a_restart_of_the_broker_ends_neither_kind_of_work(redis_shop: CeleryShop, redis_server: Any) -> None:
    with redis_shop.worker("-P", "threads", "-c", "2") as worker:
        redis_server.kill()
        worker.wait_for("the broker fails")
        redis_server.start()
        redis_shop.orders.enqueue(20)
        redis_shop.greet(NAMES)
        assert redis_shop.all_paid(), worker.log
        assert redis_shop.has_greeted(NAMES), worker.log
