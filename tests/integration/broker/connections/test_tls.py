"""A broker with TLS must prove its identity before it gets a password."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from breakwall.broker.connections.factory import client_app, new_connection
from tests.integration.publish_fixtures import BOUND, IN_TIME, cold_publisher, settings_for
from tests.integration.tls_fixtures import TlsFront, make_certificate
from tests.servers import RabbitServer, RedisServer
from tests.stopwatch import timed


@pytest.fixture(params=["redis", "rabbitmq"])
def plain_url(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue(f"{request.param}_url"))


@pytest.fixture
def front(request: pytest.FixtureRequest, plain_url: str, tmp_path: Path) -> Iterator[TlsFront]:
    """A TLS front for the broker; the parameter is the name on its certificate."""
    server: RedisServer | RabbitServer = request.getfixturevalue(
        "redis_server" if plain_url.startswith("redis") else "rabbitmq_server"
    )
    front = TlsFront(make_certificate(tmp_path, request.param), server.port)
    yield front
    front.close()


def tls_url(front: TlsFront, plain_url: str) -> str:
    scheme, rest = plain_url.split("://")
    credentials, path = rest.rpartition("@")[0] or ":secret", rest.rpartition("/")[2]
    return f"{scheme}s://{credentials}@127.0.0.1:{front.port}/{path}"


def publish_through(front: TlsFront, plain_url: str) -> bool:
    return cold_publisher(tls_url(front, plain_url)).publish_many(["order-1"])


@pytest.mark.parametrize("front", ["IP:127.0.0.1"], indirect=True)
def test_a_broker_with_the_right_certificate_takes_messages(
    front: TlsFront, plain_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "both.pem"))
    assert publish_through(front, plain_url)


@pytest.mark.parametrize("front", ["IP:127.0.0.1"], indirect=True)
def test_a_broker_with_an_untrusted_certificate_gets_no_password(front: TlsFront, plain_url: str) -> None:
    assert not publish_through(front, plain_url)
    assert front.heard == 0


@pytest.mark.parametrize("front", ["DNS:elsewhere.example"], indirect=True)
def test_a_broker_with_another_servers_certificate_gets_no_password(
    front: TlsFront, plain_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "both.pem"))
    assert not publish_through(front, plain_url)
    assert front.heard == 0


@pytest.mark.parametrize("front", ["IP:127.0.0.1"], indirect=True)
@pytest.mark.parametrize("plain_url", ["rabbitmq"], indirect=True)
def test_each_of_several_nodes_proves_its_own_name(
    front: TlsFront, plain_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "both.pem"))
    credentials, path = plain_url.split("://")[1].split("@")[0], plain_url.rpartition("/")[2]
    nodes = [f"amqps://{credentials}@{host}/{path}" for host in ("127.0.0.2:9", f"127.0.0.1:{front.port}")]
    assert cold_publisher(";".join(nodes)).publish_many(["order-1"])


@IN_TIME
@pytest.mark.parametrize("front", ["IP:127.0.0.1"], indirect=True)
def test_a_broker_that_falls_silent_behind_tls_costs_under_a_second(
    front: TlsFront, plain_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "both.pem"))
    settings = settings_for(tls_url(front, plain_url))
    connection = new_connection(settings, client_app(settings))
    connection.depth()
    front.silent = True

    def fails() -> None:
        with pytest.raises(Exception, match=r"timed out|Timeout"):
            connection.depth()

    assert timed(fails)[1] < BOUND
