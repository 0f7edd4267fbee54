"""The checks that are the same for both brokers."""

from __future__ import annotations

from breakwall.broker.checks.run import check_queue
from breakwall.doctor.broker import broker
from tests.integration.publish_fixtures import settings_for


def test_a_broker_that_does_not_answer_has_nothing_wrong_yet() -> None:
    check_queue(settings_for("amqp://127.0.0.1:9//"))


def test_a_password_that_is_refused_is_explained(redis_url: str, rabbitmq_url: str) -> None:
    for url in (redis_url.replace("//", "//nobody:geheim@"), rabbitmq_url.replace("guest@", "geheim@")):
        (found,) = broker(settings_for(url))
        assert "the broker refuses: its " in found.detail
        assert "password" in found.detail
        assert "geheim" not in str(found)
