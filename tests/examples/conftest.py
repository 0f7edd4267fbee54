from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.examples.shops import OPENING, OpenShops, Shop
from tests.servers import Workspace


@pytest.fixture(scope="session")
def open_shops(tmp_path_factory: pytest.TempPathFactory, workspace: Workspace) -> Iterator[OpenShops]:
    """The shops in this process."""
    shops = OpenShops(tmp_path_factory.mktemp("shops"), workspace.folder / "migrated.db")
    yield shops
    shops.close()


@pytest.fixture(params=list(OPENING))
def shop(request: pytest.FixtureRequest, open_shops: OpenShops) -> Shop:
    """Each shop in turn."""
    return open_shops.named(request.param)


@pytest.fixture(params=["fastapi", "django"])
def webhook_shop(request: pytest.FixtureRequest, open_shops: OpenShops) -> Shop:
    """Each shop that is told by a webhook."""
    return open_shops.named(request.param)


@pytest.fixture
def django_shop(open_shops: OpenShops) -> Shop:
    return open_shops.named("django")


@pytest.fixture
def flask_shop(open_shops: OpenShops) -> Shop:
    return open_shops.named("flask")


@pytest.fixture
def celery_shop(open_shops: OpenShops) -> Shop:
    return open_shops.named("celery_app")
