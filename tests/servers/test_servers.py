"""What tests rely on in the private servers."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import amqp
import psycopg
import pytest
import redis

from tests.servers import (
    PostgresServer,
    RabbitServer,
    RedisServer,
    UnavailableError,
    Workspace,
    rabbitmq_server_for_this_machine,
    rabbitmq_sources,
)
from tests.servers.processes import processes_of, wait_until_none_is_left


def _select_one(url: str) -> int:
    with psycopg.connect(url.replace("+psycopg", ""), connect_timeout=2) as connection:
        row = connection.execute("SELECT 1").fetchone()
    assert row is not None
    return int(row[0])


def test_each_test_gets_an_empty_postgres_database(postgres_server: PostgresServer) -> None:
    first, second = postgres_server.fresh_url(), postgres_server.fresh_url()
    with psycopg.connect(first.replace("+psycopg", "")) as connection:
        connection.execute("CREATE TABLE orders (id int)")
    with psycopg.connect(second.replace("+psycopg", "")) as connection:
        assert connection.execute("SELECT to_regclass('orders')").fetchone() == (None,)


def test_postgres_keeps_its_data_and_its_address_when_killed_and_started(
    postgres_server: PostgresServer, postgres_url: str
) -> None:
    with psycopg.connect(postgres_url.replace("+psycopg", "")) as connection:
        connection.execute("CREATE TABLE orders (id int)")
    postgres_server.kill()
    with pytest.raises(psycopg.OperationalError):
        _select_one(postgres_url)
    postgres_server.start()
    with psycopg.connect(postgres_url.replace("+psycopg", "")) as connection:
        assert connection.execute("SELECT to_regclass('orders')").fetchone() == ("orders",)


def test_redis_keeps_what_it_acknowledged_when_killed_and_loses_it_when_wiped(
    redis_server: RedisServer, redis_url: str
) -> None:
    client = redis.Redis.from_url(redis_url)
    client.set("order", "1")
    redis_server.kill()
    redis_server.start()
    assert client.get("order") == b"1"
    redis_server.wipe()
    assert client.get("order") is None


def test_a_paused_redis_keeps_connections_open_and_does_not_answer(
    redis_server: RedisServer, redis_url: str
) -> None:
    client = redis.Redis.from_url(redis_url, socket_timeout=0.2, retry=None)
    client.ping()
    redis_server.pause()
    with pytest.raises(redis.TimeoutError):
        client.ping()
    redis_server.resume()
    assert client.ping()


def test_a_test_finds_its_server_running_again_after_another_left_it_paused(
    redis_server: RedisServer,
) -> None:
    redis_server.pause()
    redis_server.ensure_running()
    assert redis.Redis(port=redis_server.port, socket_timeout=2).ping()


def _connect(url: str) -> amqp.Connection:
    address, vhost = url.removeprefix("amqp://guest:guest@").split("/")
    return amqp.Connection(address, virtual_host=vhost, connect_timeout=2, read_timeout=5)


def test_each_test_gets_an_empty_rabbitmq_virtual_host(rabbitmq_server: RabbitServer) -> None:
    first, second = rabbitmq_server.fresh_url(), rabbitmq_server.fresh_url()
    with _connect(first) as connection:
        connection.channel().queue_declare("payments.retry", durable=True, auto_delete=False)
    with _connect(second) as connection, pytest.raises(amqp.exceptions.NotFound):
        connection.channel().queue_declare("payments.retry", passive=True)


def test_rabbitmq_keeps_its_virtual_hosts_when_killed_and_started(
    rabbitmq_server: RabbitServer, rabbitmq_url: str
) -> None:
    rabbitmq_server.kill()
    with pytest.raises(OSError):
        _connect(rabbitmq_url).connect()
    rabbitmq_server.start()
    with _connect(rabbitmq_url) as connection:
        assert connection.connected


SESSION = """
import time
from tests.servers import *
workspace = Workspace()
postgres, redis = PostgresServer(workspace), RedisServer(workspace)
rabbitmq = [rabbitmq_server_for_this_machine(workspace)] if {rabbitmq} else []
for server in (postgres, redis, *rabbitmq):
    server.start()
redis.pause()
print(workspace.folder, flush=True)
time.sleep(60)
"""


@pytest.mark.server
def test_nothing_is_left_of_the_servers_when_pytest_is_killed() -> None:
    _check_that_nothing_is_left(SESSION.format(rabbitmq=False))


def test_nothing_is_left_of_rabbitmq_either(rabbitmq_server: RabbitServer) -> None:
    """The fixture makes sure that this machine has one."""
    _check_that_nothing_is_left(SESSION.format(rabbitmq=True))


def _check_that_nothing_is_left(script: str) -> None:
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as session:
        assert session.stdout is not None
        folder = Path(session.stdout.readline().strip())
        assert processes_of(folder)
        session.send_signal(signal.SIGKILL)
    assert wait_until_none_is_left(folder, 15) == []
    deadline = time.monotonic() + 15
    while folder.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not folder.exists()


def test_a_machine_without_any_rabbitmq_is_told_what_would_help(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rabbitmq_sources, "scripts_present", lambda: None)
    monkeypatch.setattr(rabbitmq_sources, "can_install", lambda: False)
    monkeypatch.setattr(rabbitmq_sources, "docker_answers", lambda: False)
    workspace = Workspace()
    try:
        with pytest.raises(UnavailableError, match=r"rabbitmq-server on the path.*Docker"):
            rabbitmq_server_for_this_machine(workspace)
    finally:
        workspace.close()
