"""With several RabbitMQ nodes, each node's certificate must have that node's name."""

from __future__ import annotations

from typing import Any

import pytest

from breakwall.broker.celery_app import IsolatedCelery
from breakwall.settings import load_settings


@pytest.fixture
def connection() -> Any:
    url = "amqps://u:p@node1/shop;amqps://u:p@node2/shop"
    return IsolatedCelery(load_settings({"BREAKWALL_BROKER_URL": url}), current=False).connection_for_read()


def connect(connection: Any) -> None:
    """kombu's handling of the name that the certificate must have."""
    if connection.ssl["server_hostname"] is None:
        connection.ssl["server_hostname"] = connection.hostname


def test_the_second_node_is_checked_against_its_own_name(connection: Any) -> None:
    connect(connection)
    connection.maybe_switch_next()
    connect(connection)
    assert connection.ssl["server_hostname"] == "node2"


def test_so_it_is_in_a_connection_that_is_made_from_another(connection: Any) -> None:
    connect(connection)
    copy = connection.clone()
    copy.maybe_switch_next()
    connect(copy)
    assert copy.ssl["server_hostname"] == copy.hostname
    assert {copy.hostname, connection.hostname} == {"node1", "node2"}
