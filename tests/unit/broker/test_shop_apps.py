"""A producer beside a shop's Celery app tells that it publishes to another broker than the app's workers read."""

from __future__ import annotations

from weakref import WeakSet

import pytest
from celery import Celery

from breakwall.broker import shop_apps
from breakwall.producers import OrderProducer
from breakwall.settings import Settings, load_settings
from breakwall.worker import add_to


@pytest.fixture(autouse=True)
def _no_other_apps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shop_apps, "_apps", WeakSet())


@pytest.fixture
def app() -> Celery:
    return Celery("shop", broker="redis://127.0.0.1:1/0", set_as_current=False)


def warnings(settings: Settings, caplog: pytest.LogCaptureFixture) -> list[str]:
    OrderProducer.from_settings(settings).close()
    return [one.message for one in caplog.records if "BREAKWALL_BROKER_URL is not set" in one.message]


def chosen(url: str, **more: str) -> Settings:
    given = {"BREAKWALL_DATABASE_URL": url, "BREAKWALL_PAYMENT_URL": "http://127.0.0.1:9"}
    return load_settings(given | {f"BREAKWALL_{name}": value for name, value in more.items()})


def test_without_a_broker_url_it_warns_and_says_what_to_do(
    app: Celery, migrated_sqlite_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    add_to(app)
    (told,) = warnings(chosen(migrated_sqlite_url), caplog)
    assert "or build the producer from the settings() of what add_to returned" in told


def test_with_a_broker_url_it_says_nothing(
    app: Celery, migrated_sqlite_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    add_to(app)
    assert warnings(chosen(migrated_sqlite_url, BROKER_URL="redis://127.0.0.1:1/0"), caplog) == []


def test_with_the_settings_of_the_addition_it_says_nothing(
    app: Celery, migrated_sqlite_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    addition = add_to(app, settings=chosen(migrated_sqlite_url))
    assert warnings(addition.settings(), caplog) == []


def test_without_an_app_it_says_nothing(migrated_sqlite_url: str, caplog: pytest.LogCaptureFixture) -> None:
    assert warnings(chosen(migrated_sqlite_url), caplog) == []
