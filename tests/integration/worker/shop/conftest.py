from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.acceptance.shop import PaymentServiceHere
from tests.command import Terminal
from tests.integration.worker.shop.shop_fixtures import CeleryShop

OpenShop = Callable[[str], CeleryShop]


@pytest.fixture
def open_shop(terminal: Terminal, tmp_path: Path, migrated_sqlite_url: str) -> Iterator[OpenShop]:
    """Opens a shop whose Celery uses the broker at a URL."""
    opened: list[CeleryShop] = []

    def opens(broker: str) -> CeleryShop:
        service = PaymentServiceHere(tmp_path)
        opened.append(CeleryShop(terminal, service, broker, migrated_sqlite_url))
        return opened[0]

    yield opens
    for shop in opened:
        shop.close()


@pytest.fixture
def redis_shop(open_shop: OpenShop, redis_url: str) -> CeleryShop:
    return open_shop(redis_url)


@pytest.fixture
def rabbitmq_shop(open_shop: OpenShop, rabbitmq_url: str) -> CeleryShop:
    return open_shop(rabbitmq_url)


@pytest.fixture(params=["redis", "rabbitmq"])
def shop(request: pytest.FixtureRequest) -> CeleryShop:
    """On Redis, and on RabbitMQ."""
    found: CeleryShop = request.getfixturevalue(f"{request.param}_shop")
    return found
