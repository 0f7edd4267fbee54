"""Celery is configured for the broker in use."""

from __future__ import annotations

import subprocess
import sys

import pytest
from kombu.transport.redis import Channel

from breakwall.broker.celery_app import IsolatedCelery
from breakwall.broker.config import QUEUE, celery_config, visibility_timeout
from breakwall.settings import Settings, load_settings

SENTINELS = (
    "sentinel://shop:p%40ss@h1:26380;sentinel://[::1]:26381;sentinel://h3/2"
    "?master_name=mymaster&sentinel_username=watch&sentinel_password=gehe%2Fim"
)
BROKERS = ["redis://127.0.0.1:1/0", "amqp://guest:guest@127.0.0.1:1//", None]


def settings(url: str | None = None, **more: str) -> Settings:
    given = {"BREAKWALL_BROKER_URL": url} if url else {}
    return load_settings({**given, **more})


@pytest.mark.parametrize("url", BROKERS)
def test_a_message_is_acknowledged_late_and_one_at_a_time(url: str | None) -> None:
    config = celery_config(settings(url))
    assert config["task_acks_late"] is True
    assert config["worker_prefetch_multiplier"] == 1


@pytest.mark.parametrize("url", BROKERS)
def test_only_json_is_accepted(url: str | None) -> None:
    assert celery_config(settings(url))["accept_content"] == ["json"]


@pytest.mark.parametrize("url", BROKERS)
def test_there_is_no_result_backend_to_wait_for(url: str | None) -> None:
    config = celery_config(settings(url))
    assert config["result_backend"] is None
    assert config["task_ignore_result"] is True


@pytest.mark.parametrize("url", BROKERS)
def test_a_worker_survives_any_outage_of_its_broker(url: str | None) -> None:
    config = celery_config(settings(url))
    assert config["broker_connection_retry_on_startup"] is True
    assert config["broker_connection_max_retries"] is None


@pytest.mark.parametrize("url", BROKERS)
def test_celery_knows_every_setting_and_takes_its_queue_from_it(url: str | None) -> None:
    from celery import Celery
    from celery.app.defaults import NAMESPACES, flatten

    config = celery_config(settings(url))
    assert set(config) <= {name for name, _ in flatten(NAMESPACES)}
    app = Celery(set_as_current=False)
    app.conf.update(config)
    assert list(app.amqp.queues) == [QUEUE]


def test_without_a_broker_url_the_socket_in_the_data_folder_is_used() -> None:
    config = celery_config(settings(None, BREAKWALL_DATA_DIR="/srv/break wall"))
    assert config["broker_url"] == "redis+socket:///srv/break%20wall/broker.sock"


def test_a_dead_workers_messages_come_back_sooner_than_by_celerys_default() -> None:
    options = celery_config(settings(None))["broker_transport_options"]
    assert options["unacked_restore_interval"] * options["unacked_restore_throttle"] <= 5


def test_in_redis_no_key_of_a_workers_messages_is_one_of_another_program() -> None:
    """In kombu's own, our shorter visibility timeout would put back what a shop's long task is working on."""
    options = celery_config(settings(None))["broker_transport_options"]
    for name in ("unacked_key", "unacked_index_key", "unacked_mutex_key"):
        assert options[name].startswith(f"{QUEUE}.")
        assert name in Channel.from_transport_options


@pytest.mark.parametrize("payment_timeout", [1, 10, 60, 300])
def test_no_message_comes_back_while_a_slow_payment_is_still_at_work(payment_timeout: int) -> None:
    chosen = settings(None, BREAKWALL_PAYMENT_TIMEOUT=str(payment_timeout))
    # The order before it in the worker, then this one; each needs a look-up and a charge.
    assert visibility_timeout(chosen) >= max(300, 4 * payment_timeout)


def test_rabbitmqs_queue_is_replicated_and_puts_poison_aside() -> None:
    (queue,) = celery_config(settings("amqp://127.0.0.1//"))["task_queues"]
    assert queue.queue_arguments["x-queue-type"] == "quorum"
    assert queue.queue_arguments["x-delivery-limit"] > 0
    assert queue.queue_arguments["x-dead-letter-routing-key"] == "payments.retry.dead"


def test_importing_the_broker_package_does_not_load_celery() -> None:
    look = (
        "import sys, breakwall.broker; print([m for m in ('celery', 'kombu', 'redis') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_celerys_configuration_shows_no_password() -> None:
    app = IsolatedCelery(settings("redis://:geheim17@127.0.0.1:1/0"), current=False)
    assert "geheim17" not in f"{app!r} {app.conf!r} {app.conf} {app.conf.humanize()}"


def test_kombu_gets_each_sentinel_as_a_whole_url() -> None:
    config = celery_config(load_settings({"BREAKWALL_BROKER_URL": SENTINELS}))
    assert config["broker_url"] == (
        "sentinel://shop:p%40ss@h1:26380/2;sentinel://shop:p%40ss@[::1]:26381/2;sentinel://shop:p%40ss@h3:26379/2"
    )
    options = config["broker_transport_options"]
    assert options["master_name"] == "mymaster"
    assert options["sentinel_kwargs"].items() >= {"username": "watch", "password": "gehe/im"}.items()
