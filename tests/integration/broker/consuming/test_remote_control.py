"""Remote control beside a real RabbitMQ."""

from __future__ import annotations

from types import SimpleNamespace

from kombu import Connection

from breakwall.broker.celery_app import IsolatedCelery
from breakwall.broker.consuming.remote_control import ControlMailbox
from tests.integration.publish_fixtures import settings_for


def test_a_second_worker_of_one_name_is_reported_and_works(rabbitmq_url: str) -> None:
    app, told = IsolatedCelery(settings_for(rabbitmq_url), current=False), []

    def start() -> Connection:
        connection = app.connection_for_read()
        worker = SimpleNamespace(
            app=app,
            hostname="celery@host",
            connection=connection,
            controller=SimpleNamespace(use_eventloop=True),
            refused=told.append,
            on_decode_error=None,
        )
        ControlMailbox(worker).start(worker)
        return connection

    with start(), start():
        (complaint,) = told
    assert "another worker has the name celery@host" in str(complaint)
    assert "--hostname" in str(complaint)
