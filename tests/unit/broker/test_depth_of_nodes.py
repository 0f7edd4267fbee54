"""Of several RabbitMQ nodes each is asked for its own name in its certificate."""

from __future__ import annotations

from typing import Any

import pytest

from breakwall.broker.celery_app import OwnApp
from breakwall.settings import load_settings


@pytest.fixture
def connection() -> Any:
    url = "amqps://u:p@node1/shop;amqps://u:p@node2/shop"
    return OwnApp(load_settings({"BREAKWALL_BROKER_URL": url}), current=False).connection_for_read()


def connect(connection: Any) -> None:
    """What kombu does with the name that is to be in the certificate."""
    if connection.ssl["server_hostname"] is None:
        connection.ssl["server_hostname"] = connection.hostname


def test_the_second_nodes_name_is_not_the_firsts(connection: Any) -> None:
    connect(connection)
    connection.maybe_switch_next()
    connect(connection)
    assert connection.ssl["server_hostname"] == "node2"


def test_neither_is_it_in_a_connection_that_is_made_from_another(connection: Any) -> None:
    connect(connection)
    copy = connection.clone()
    copy.maybe_switch_next()
    connect(copy)
    assert copy.ssl["server_hostname"] == copy.hostname
    assert {copy.hostname, connection.hostname} == {"node1", "node2"}
