"""Which broker a shop's workers use, and when the app's own cannot be used."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from celery import Celery

from breakwall.settings import Settings, SettingsError, load_settings
from breakwall.worker import add_to
from breakwall.worker.shop.broker import settings_for
from breakwall.worker.shop.step import BreakwallStep
from breakwall.worker.startup.steps import WRONG_SETTINGS


def app_with(broker: Any = None, **conf: Any) -> Celery:
    app = Celery("shop", broker=broker, set_as_current=False)
    app.conf.update(conf)
    return app


def broker_of(app: Celery, given: Settings | None = None) -> str:
    return settings_for(app, given or load_settings({})).broker


@pytest.mark.parametrize(
    ("written", "used"),
    [
        ("redis://:pw@h:6379/3", "redis://:pw@h:6379/3"),
        ("amqps://u:pw@h:5671/shop", "amqps://u:pw@h:5671/shop"),
        ("pyamqp://u:pw@h:5672/shop", "amqp://u:pw@h:5672/shop"),
        ("amqp://u:pw@h1/v;amqp://u:pw@h2/v", "amqp://u:pw@h1/v;amqp://u:pw@h2/v"),
        (["amqp://u:pw@h1/v", "pyamqp://u:pw@h2/v"], "amqp://u:pw@h1/v;amqp://u:pw@h2/v"),
        (None, "amqp://guest:guest@localhost:5672//"),
    ],
)
def test_without_a_setting_it_is_the_apps_own(written: Any, used: str) -> None:
    assert broker_of(app_with(written)) == used


def test_a_setting_of_ours_is_used_whatever_the_app_has() -> None:
    ours = load_settings({"BREAKWALL_BROKER_URL": "redis://ours:1/1"})
    assert broker_of(app_with("sqs://"), ours) == "redis://ours:1/1"


def test_a_producer_gets_the_same_by_what_add_to_returns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BREAKWALL_PAYMENT_TIMEOUT", "7")
    found = add_to(app_with("redis://shop:1/2")).settings()
    assert (found.broker, found.payment_timeout, found.embedded_broker) == ("redis://shop:1/2", 7, False)


def test_a_wrong_setting_for_outcomes_stops_the_worker_and_not_the_producer(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("BREAKWALL_OUTCOMES__WEBHOOK_URL", "http://127.0.0.1/h")
    addition = add_to(app_with("redis://shop:1/2"))
    assert addition.settings().outcomes.ways == ()
    assert "BREAKWALL_OUTCOMES__WEBHOOK_URL" in caplog.text
    with pytest.raises(SystemExit) as ended:
        BreakwallStep(SimpleNamespace(app=addition.app, hostname="celery@w1"))
    assert ended.value.code == WRONG_SETTINGS


def test_given_settings_are_used_in_place_of_the_environments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BREAKWALL_PAYMENT_TIMEOUT", "7")
    given = load_settings({"BREAKWALL_PAYMENT_TIMEOUT": "8"})
    assert add_to(app_with("redis://shop:1/2"), settings=given).settings().payment_timeout == 8


@pytest.mark.parametrize(
    ("broker", "conf", "why"),
    [
        ("sqs://", {}, "amqps"),
        ("memory://", {}, "amqps"),
        ("redis://h1:1/0;redis://h2:1/0", {}, "names several servers"),
        ("rediss://h:1/0", {"broker_use_ssl": {"ssl_ca_certs": "ca.pem"}}, "certificates in broker_use_ssl"),
        ("sentinel://h:1", {"broker_transport_options": {"master_name": "m"}}, "Sentinel's primary"),
        ("redis://h:1/0", {"broker_read_url": "redis://other:1/0"}, "one URL for reading and another"),
    ],
)
def test_a_broker_that_its_url_does_not_describe_is_refused_with_what_to_set(
    broker: str, conf: dict[str, Any], why: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        broker_of(app_with(broker, **conf))
    (told,) = caught.value.problems
    assert told.startswith(
        "BREAKWALL_BROKER_URL: is not set, and the broker of the Celery app cannot be used"
    )
    assert why in told
    assert told.endswith("Set it, to the same value for web processes and workers")


def test_the_refusal_shows_no_password() -> None:
    with pytest.raises(SettingsError) as caught:
        broker_of(app_with("sqs://key:geheim17@"))
    assert "geheim17" not in str(caught.value)
