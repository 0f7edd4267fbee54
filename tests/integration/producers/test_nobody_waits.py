"""A payment service hangs, a database is locked or paused, and nobody waits for longer than was promised."""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg
import pytest

from breakwall.payments.db.database import Database, DatabaseUnavailableError
from breakwall.payments.db.migrate import upgrade
from breakwall.producers import AsyncOrderProducer, Order, OrderProducer
from breakwall.settings import Settings, load_settings
from tests.acceptance.shop import PaymentService
from tests.servers import PostgresServer
from tests.stopwatch import Stopwatch
from tests.waiting import wait_until

WAIT = 1.5
ROOM = 4
CUSTOMERS = 60


@pytest.fixture
def hanging(module_payment_service: PaymentService) -> Iterator[PaymentService]:
    """A service that reads each request and never answers."""
    module_payment_service.control.set_faults(hang=1.0)
    yield module_payment_service
    module_payment_service.control.clear_faults()


def settings_for(folder: Path, service: PaymentService, **more: str) -> Settings:
    names = {
        "DATA_DIR": str(folder / "data"),
        "PAYMENT_URL": service.url,
        "PAYMENT_TIMEOUT": "6",
        "PAYMENT_MAX_CONCURRENCY": str(ROOM),
        "PLACE__WAIT": str(WAIT),
        # So that the circuit does not help: the bulkhead alone must hold.
        "BREAKER__FAILURE_THRESHOLD": "10000",
        **more,
    }
    return load_settings({f"BREAKWALL_{name}": value for name, value in names.items()})


@pytest.fixture
def migrated_settings(tmp_path: Path, hanging: PaymentService, postgres_url: str) -> Settings:
    with closing(Database(postgres_url)) as database:
        upgrade(database.engine)
    return settings_for(tmp_path, hanging, DATABASE_URL=postgres_url)


def order(key: str) -> Order:
    return Order("u1", 1000, "KRW", key)


def test_while_the_service_hangs_every_customer_is_answered_in_time_and_other_pages_at_once(
    migrated_settings: Settings,
) -> None:
    """Before, 200 customers in two seconds waited for 9 s, and the shop's other pages for 10 s."""
    settings = migrated_settings
    told: Counter[str] = Counter()
    slow: list[float] = []
    with OrderProducer.from_settings(settings) as producer:
        producer.enqueue([order("warms-up")])

        def customer(number: int) -> None:
            time.sleep(random.random())
            watch = Stopwatch()
            told[producer.place(order(f"cart-{number}")).status.value] += 1
            if watch.seconds > WAIT + 0.5:
                slow.append(watch.seconds)

        customers = [threading.Thread(target=customer, args=(number,)) for number in range(CUSTOMERS)]
        for thread in customers:
            thread.start()
        pages = _other_pages(customers)
        assert slow == []
        assert sorted(pages)[int(len(pages) * 0.95)] < 0.25
        # The service's time-out is longer than the customers take: so nothing made room for another call.
        assert told == {"in_flight": ROOM, "queued": CUSTOMERS - ROOM}
        assert producer.queued_because_full == CUSTOMERS - ROOM
    with closing(Database(settings.database)) as database:
        statuses = Counter(_statuses(database))
    # `close` has waited for the time-outs of the calls in hand, and has recorded them.
    assert statuses == {"queued": CUSTOMERS + 1}


def _other_pages(customers: list[threading.Thread]) -> list[float]:
    """How late another thread of the shop was, each time it wanted to do something, while the customers wait."""
    late = []
    while any(thread.is_alive() for thread in customers):
        began = time.monotonic()
        time.sleep(0.005)
        late.append(time.monotonic() - began - 0.005)
    return late


def _statuses(database: Database) -> list[str]:
    from sqlalchemy import select

    from breakwall.payments.db.schema import orders

    return list(database.read(lambda connection: connection.scalars(select(orders.c.status)).all()))


def test_the_event_loop_goes_on_while_the_service_hangs(migrated_settings: Settings) -> None:
    async def customers() -> list[float]:
        async with AsyncOrderProducer.from_settings(migrated_settings) as producer:
            await producer.enqueue([order("warms-up")])
            late: list[float] = []
            watching = asyncio.ensure_future(_watch_the_loop(late))
            placed = [asyncio.ensure_future(_customer(producer, number)) for number in range(300)]
            statuses = Counter(await asyncio.gather(*placed))
            watching.cancel()
            assert statuses == {"in_flight": ROOM, "queued": 300 - ROOM}
        return late

    late = sorted(asyncio.run(customers()))
    # A machine that is busy with other tests stops the whole process now and then.
    assert late[int(len(late) * 0.95)] < 0.25


async def _customer(producer: AsyncOrderProducer, number: int) -> str:
    await asyncio.sleep(random.random())
    return (await producer.place(order(f"cart-{number}"), wait=2.0)).status.value


async def _watch_the_loop(late: list[float]) -> None:
    while True:
        began = time.monotonic()
        await asyncio.sleep(0.005)
        late.append(time.monotonic() - began - 0.005)


@contextmanager
def locked_tables(url: str) -> Iterator[None]:
    with psycopg.connect(url.replace("+psycopg", "")) as connection:
        connection.execute("LOCK TABLE orders IN ACCESS EXCLUSIVE MODE")
        yield


def place_in_vain(producer: OrderProducer, number: int) -> float:
    watch = Stopwatch()
    with pytest.raises(DatabaseUnavailableError):
        producer.place(order(f"cart-{number}"))
    return watch.seconds


def test_a_lock_in_the_database_holds_nobody(migrated_settings: Settings) -> None:
    with OrderProducer.from_settings(migrated_settings) as producer:
        producer.enqueue([order("warms-up")])
        with locked_tables(migrated_settings.database):
            # More than there is room for: those in the bulkhead, and those that are queued.
            waited = _all_at_once(producer, ROOM + 3)
        assert max(waited) < WAIT + 0.5
        assert not _accepted(producer, ROOM + 3)
        assert producer.place(order("cart-0")).status == "in_flight"


def test_a_paused_database_holds_nobody_and_what_it_commits_later_is_finished(
    migrated_settings: Settings, postgres_server: PostgresServer
) -> None:
    with OrderProducer.from_settings(migrated_settings) as producer:
        producer.enqueue([order("warms-up")])
        postgres_server.pause()
        try:
            waited = _all_at_once(producer, ROOM + 3)
        finally:
            postgres_server.resume()
        assert max(waited) < WAIT + 0.5
        wait_until(lambda: len(producer.placing.in_hand) <= ROOM, 60)
        # The same keys again are safe.
        for number in range(ROOM + 3):
            wait_until(lambda number=number: _places(producer, number), 60)  # type: ignore[misc]
        assert len(_accepted(producer, ROOM + 3)) == ROOM + 3


def _all_at_once(producer: OrderProducer, number: int) -> list[float]:
    waited: list[float] = []
    threads = [
        threading.Thread(target=lambda n=n: waited.append(place_in_vain(producer, n)))  # type: ignore[misc]
        for n in range(number)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(waited) == number
    return waited


def _places(producer: OrderProducer, number: int) -> bool:
    try:
        return bool(producer.place(order(f"cart-{number}")))
    except DatabaseUnavailableError:
        return False


def _accepted(producer: OrderProducer, number: int) -> list[str]:
    with closing(Database(str(producer._ledger.database.engine.url.render_as_string(False)))) as database:
        return _statuses(database)[1:]
