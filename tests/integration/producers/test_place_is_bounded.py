"""`place` blocks at most for the payment timeout and a second, whatever is down, and loses nothing."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from breakwall.payments.ledger.queries import get_order
from breakwall.settings import Settings, load_settings
from breakwall.wiring import open_database
from producers import Order, OrderProducer, PlaceResult
from tests.servers import RedisServer, Server
from tests.stopwatch import Stopwatch, timed

TIMEOUT = 1.0
BOUND = TIMEOUT + 1.0


@pytest.fixture
def hanging_service() -> Iterator[str]:
    """A payment service that accepts connections and never says a word."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(100)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


@pytest.fixture
def environ(tmp_path: Path, hanging_service: str) -> dict[str, str]:
    return {
        "BREAKWALL_DATA_DIR": str(tmp_path),
        "BREAKWALL_PAYMENT_TIMEOUT": str(TIMEOUT),
        "BREAKWALL_PAYMENT_URL": hanging_service,
    }


def place(producer: OrderProducer, key: str) -> tuple[PlaceResult, float]:
    return timed(lambda: producer.place(_order(key)))


def assert_kept(settings: Settings, key: str) -> None:
    database = open_database(settings)
    assert get_order(database, key).status == "queued"
    database.close()


@pytest.mark.parametrize("how", ["frozen", "gone"])
def test_with_a_hanging_service_and_broker_and_breaker_store(
    redis_server: RedisServer, environ: dict[str, str], how: str
) -> None:
    url = redis_server.url("1")
    settings = load_settings(
        {**environ, "BREAKWALL_BROKER_URL": url, "BREAKWALL_BREAKER_STORE_URL": redis_server.url("2")}
    )
    with OrderProducer.from_settings(settings) as producer:
        place(producer, "warms-up")
        _take_away(redis_server, how)
        for n in range(3):
            result, seconds = place(producer, f"cart-{n}")
            assert result.status == "queued"
            assert seconds < BOUND
        redis_server.ensure_running()
    assert_kept(settings, "cart-2")


@pytest.mark.parametrize("how", ["frozen", "gone"])
def test_with_a_hanging_service_and_rabbitmq(
    rabbitmq_server: Server, rabbitmq_url: str, environ: dict[str, str], how: str
) -> None:
    settings = load_settings({**environ, "BREAKWALL_BROKER_URL": rabbitmq_url})
    with OrderProducer.from_settings(settings) as producer:
        place(producer, "warms-up")
        _take_away(rabbitmq_server, how)
        for n in range(3):
            result, seconds = place(producer, f"cart-{n}")
            assert result.status == "queued"
            assert seconds < BOUND
        rabbitmq_server.ensure_running()
    assert_kept(settings, "cart-2")


def test_an_outage_of_the_broker_costs_one_slow_publish_and_not_one_an_order(
    redis_server: RedisServer, environ: dict[str, str]
) -> None:
    settings = load_settings({**environ, "BREAKWALL_BROKER_URL": redis_server.url("1")})
    with OrderProducer.from_settings(settings) as producer:
        producer.enqueue([_order("warms-up")])
        redis_server.pause()
        watch = Stopwatch()
        producer.enqueue([_order(f"cart-{n}") for n in range(50)])
        for n in range(50):
            producer.enqueue([_order(f"more-{n}")])
        seconds = watch.seconds
        redis_server.resume()
    assert seconds < 3.0


def _order(key: str) -> Order:
    return Order(user_id="u1", amount=1000, currency="USD", idempotency_key=key)


def _take_away(server: Server, how: str) -> None:
    if how == "frozen":
        server.pause()
    else:
        server.kill()
