"""pytest-celery's own fixtures, answered with processes: `celery_setup` is a site on each kind of servers."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from pytest_celery import CeleryBrokerCluster, CeleryTestBroker, CeleryTestWorker, CeleryWorkerCluster

from tests.acceptance.nodes import ProcessContainer, ServerContainer, breakwall, celery_worker
from tests.acceptance.shop import PaymentService, Shop

SITES = ("embedded", "postgres+redis", "postgres+rabbitmq")

FAST = {
    "BREAKWALL_PAYMENT_TIMEOUT": "2",
    "BREAKWALL_PAYMENT_SETTLE_SECONDS": "1",
    "BREAKWALL_BREAKER__RECOVERY_TIMEOUT": "1",
    "BREAKWALL_RETRY__BASE": "0.2",
    "BREAKWALL_RETRY__CAP": "1",
    "BREAKWALL_DISPATCH__INTERVAL": "0.2",
    "BREAKWALL_DISPATCH__REPUBLISH_AFTER": "3",
}
"""Seconds where an operator would have tens of them; the paths are the same."""


@dataclass(frozen=True)
class Servers:
    """What one kind of site runs on."""

    environ: dict[str, str]
    broker: ServerContainer | None


@pytest.fixture(params=SITES)
def servers(request: pytest.FixtureRequest) -> Servers:
    """The test runs once on each kind of site."""
    if request.param == "embedded":
        return Servers({}, None)
    database: str = request.getfixturevalue("postgres_url")
    kind = request.param.removeprefix("postgres+")
    url: str = request.getfixturevalue(f"{kind}_url")
    broker = ServerContainer(request.getfixturevalue(f"{kind}_server"), url)
    return Servers({"BREAKWALL_DATABASE_URL": database, "BREAKWALL_BROKER_URL": url}, broker)


@pytest.fixture
def payment_service(tmp_path: Path) -> Iterator[PaymentService]:
    service = PaymentService(tmp_path)
    service.start()
    yield service
    service.stop()


@pytest.fixture
def site_environ(servers: Servers, payment_service: PaymentService, tmp_path: Path) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("BREAKWALL_")}
    return {
        **inherited,
        **FAST,
        **servers.environ,
        "BREAKWALL_DATA_DIR": str(tmp_path / "data"),
        "BREAKWALL_PAYMENT_URL": payment_service.url,
        "PYTHONUNBUFFERED": "1",
    }


@pytest.fixture
def shop(site_environ: dict[str, str], servers: Servers, tmp_path: Path) -> Iterator[Shop]:
    shop = Shop(site_environ, tmp_path)
    if "BREAKWALL_DATABASE_URL" in servers.environ:
        shop.run("db", "upgrade")
    yield shop
    shop.close()


@pytest.fixture
def celery_broker_cluster(servers: Servers) -> CeleryBrokerCluster | None:
    return None if servers.broker is None else CeleryBrokerCluster(CeleryTestBroker(servers.broker))


@pytest.fixture
def celery_backend_cluster() -> None:
    """There is no result backend: results are in the database."""


@pytest.fixture
def celery_setup_config(site_environ: dict[str, str]) -> dict[str, str]:
    from breakwall.settings import load_settings

    return {"broker_url": load_settings(site_environ).broker}


@pytest.fixture
def celery_worker_cluster(
    shop: Shop, site_environ: dict[str, str], tmp_path: Path
) -> Iterator[CeleryWorkerCluster]:
    """Two workers, one started as Celery's users do and one as ours do."""
    commands = {
        "worker-1": celery_worker("-n", "one@%h", "--concurrency", "4"),
        "worker-2": breakwall("worker", "--concurrency", "4", "-n", "two@%h", "--loglevel", "INFO"),
    }
    containers = [
        ProcessContainer(name, command, site_environ, tmp_path, " ready.")
        for name, command in commands.items()
    ]
    for container in containers:
        container.start()
    cluster = CeleryWorkerCluster(*(CeleryTestWorker(container, None) for container in containers))
    assert cluster.ready()
    yield cluster
    for container in containers:
        container.teardown()
