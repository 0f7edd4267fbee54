"""A producer that starts during an outage: it learns that before its first order, or continues in time."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from breakwall.settings import Settings, load_settings
from breakwall.wiring import open_breaker
from producers import Order, OrderProducer, PlaceResult
from tests.servers import RedisServer
from tests.stopwatch import timed


@pytest.fixture
def silent() -> Iterator[int]:
    """The port of a server that accepts connections and never answers."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(100)
        yield listener.getsockname()[1]


def settings_for(folder: Path, **more: str) -> Settings:
    return load_settings(
        {
            "BREAKWALL_DATA_DIR": str(folder),
            "BREAKWALL_PAYMENT_TIMEOUT": "0.3",
            "BREAKWALL_PAYMENT_URL": "http://127.0.0.1:1",
            "BREAKWALL_BREAKER__FIRST_CONTACT": "0.5",
            **{f"BREAKWALL_{name}": value for name, value in more.items()},
        }
    )


def place(producer: OrderProducer) -> PlaceResult:
    return producer.place(Order(user_id="u1", amount=100, currency="KRW", idempotency_key="cart-1"))


def test_a_store_that_hangs_costs_the_start_the_first_contact_and_the_first_order_nothing(
    tmp_path: Path, silent: int
) -> None:
    settings = settings_for(tmp_path, BREAKER_STORE_URL=f"redis://127.0.0.1:{silent}/0")
    began = time.monotonic()
    producer, seconds = timed(lambda: OrderProducer.from_settings(settings))
    with producer:
        assert time.monotonic() - began >= 0.5
        assert seconds < 20
        assert producer._breaker._replica._state.status.is_local, (
            "no call waits for a store that is slow or lost"
        )


def test_a_store_that_refuses_costs_the_start_nothing(tmp_path: Path) -> None:
    settings = settings_for(tmp_path, BREAKER_STORE_URL="redis://127.0.0.1:1/0", BREAKER__FIRST_CONTACT="60")
    producer, seconds = timed(lambda: OrderProducer.from_settings(settings))
    producer.close()
    assert seconds < 50


def test_beside_an_open_circuit_the_first_order_is_queued_and_nothing_is_sent(
    tmp_path: Path, redis_server: RedisServer, silent: int
) -> None:
    settings = settings_for(
        tmp_path,
        BREAKER_STORE_URL=redis_server.url("3"),
        BREAKER__FIRST_CONTACT="30",
        PAYMENT_URL=f"http://127.0.0.1:{silent}",
    )
    with closing(open_breaker(settings)) as breaker:
        breaker.force_open("an outage", "test")
    with OrderProducer.from_settings(settings) as producer:
        assert place(producer).status == "queued"
        order = producer.get("cart-1")
    assert (order.retry_count, order.deferral_count) == (0, 1)
