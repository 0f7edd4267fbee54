"""A real worker over a real Valkey, and over Debian's Redis: no answer and no data of them ends or stops it."""

from __future__ import annotations

import base64
import json
import os
import re
import time
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import redis
from celery import Celery
from redis.backoff import NoBackoff
from redis.retry import Retry
from sqlalchemy import Connection

from breakwall.broker.config import QUEUE, TASK, UNACKED, UNACKED_INDEX, celery_config
from breakwall.broker.depth import queue_depth
from breakwall.doctor.broker import broker
from breakwall.payments.db.database import Database
from breakwall.payments.fleet.strange_messages import StoredStrangeMessage, newest
from tests.integration.broker_worker import BrokerWorker, wait_until
from tests.servers import RedisServer, Workspace, not_available
from tests.servers.packages import program

PASSWORD = "geheim"


class OwnRedis(RedisServer):
    """A server of this module's own: what is done to it would disturb others."""

    name = "Valkey-to-outlive"
    reads_slowly = False

    def _command(self) -> list[str]:
        # Hundredths of a second for each key; in between it answers.
        slowly = ("--key-load-delay", "10000", "--loading-process-events-interval-bytes", "1024")
        return [*super()._command(), *(slowly if self.reads_slowly else ())]

    def _answers(self) -> bool:
        try:
            with redis.Redis(port=self.port, socket_timeout=1, retry=Retry(NoBackoff(), 0)) as client:
                return bool(client.ping())
        except redis.BusyLoadingError:
            return self.reads_slowly
        except redis.RedisError:
            return False


class DebianRedis(RedisServer):
    """The same, of another make."""

    name = "Redis-to-outlive"

    def __init__(self, workspace: Workspace, found: Path) -> None:
        super().__init__(workspace)
        self.program = found


@pytest.fixture(scope="module")
def server(workspace: Workspace) -> Iterator[OwnRedis]:
    server = OwnRedis(workspace)
    server.start()
    yield server
    server.close()


@pytest.fixture
def debian_server(workspace: Workspace) -> Iterator[RedisServer]:
    found = program("redis-server", "redis-server")
    if found is None:
        not_available("Redis", "install Debian's redis-server")
    server = DebianRedis(workspace, found)
    server.start()
    yield server
    server.close()


@pytest.fixture(scope="module")
def worker(server: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrokerWorker]:
    """A worker that finds messages at its start that would once have ended each worker."""
    with client_of(server) as client:
        leave_poison(client)
    worker = BrokerWorker(tmp_path_factory.mktemp("worker"), server.url("1"), "--task-events")
    yield worker
    check_the_end(worker)


def check_the_end(worker: BrokerWorker) -> None:
    """It still runs, ends with exit code 0 after SIGTERM, and its log has no traceback."""
    assert worker.running, worker.log()
    assert worker.close() == 0, worker.log()
    assert not re.search(r"Traceback|Unrecoverable|CRITICAL", worker.log()), worker.log()


@pytest.fixture
def client(server: RedisServer, worker: BrokerWorker) -> Iterator[redis.Redis]:
    server.ensure_running()
    with client_of(server) as client:
        yield client


@contextmanager
def client_of(server: RedisServer) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(server.url("1")) as client:
        yield client


def message(order: Any = "some-order", **parts: Any) -> dict[str, Any]:
    """A message of ours, as kombu keeps it in a list, with parts of it replaced."""
    body = base64.b64encode(json.dumps([[order], {}, {}]).encode()).decode()
    address = {"exchange": "", "routing_key": QUEUE}
    properties = {"body_encoding": "base64", "delivery_tag": "t", "delivery_info": address, "priority": 0}
    whole = {
        "body": body,
        "content-type": "application/json",
        "content-encoding": "utf-8",
        "headers": {"task": TASK, "id": "some-order"},
        "properties": properties,
    }
    return {**whole, **parts}


def leave_poison(client: redis.Redis) -> None:
    """Leave what another program leaves, or a worker that died of a strange message."""
    long_ago = 1.0
    kept = {
        "no json": "nonsense",
        "no list": "{}",
        "no headers": json.dumps([{"properties": {}}, "", QUEUE]),
        "null": json.dumps([None, "", QUEUE]),
        "no queue": json.dumps([message(), {}, 7]),
        "killed one": json.dumps([message(body="bnVsbA=="), "", QUEUE]),
    }
    for name, value in kept.items():
        client.hset(UNACKED, name, value)
        client.zadd(UNACKED_INDEX, {name: long_ago})
    client.rpush(QUEUE, b"\xff\x00", "null", json.dumps(message(body="e30=")))


def strange(worker: BrokerWorker, limit: int = 1000) -> list[StoredStrangeMessage]:
    def read(connection: Connection) -> list[StoredStrangeMessage]:
        # Without the probes', whose orders are in no database.
        return [kept for kept in newest(connection, limit=limit) if "this database" not in kept.reason]

    database = Database(worker.settings.database)
    try:
        return database.read(read)
    finally:
        database.close()


def test_what_would_have_ended_each_worker_that_is_started_is_set_aside(
    worker: BrokerWorker, client: redis.Redis
) -> None:
    assert worker.works()
    assert wait_until(lambda: client.zcard(UNACKED_INDEX) == 0)
    assert wait_until(lambda: len(strange(worker)) >= 9)
    assert "nonsense" in {kept.body for kept in strange(worker)}


STRANGE = {
    "no JSON": b"\xff\x00 no json \x1b[2J\n",
    "no envelope": b"[1, 2]",
    "no headers": json.dumps(message(headers=None)),
    "wrong headers": json.dumps(message(headers=["task"])),
    "no properties": json.dumps(message(properties={})),
    "an empty body": json.dumps(message(body="")),
    "body {}": json.dumps(message(body="e30=")),
    "body null": json.dumps(message(body="bnVsbA==")),
    "body of another kind": json.dumps(message(body={"a": 1})),
    "wrong base64": json.dumps(message(body="!!!")),
    "a compressed body": json.dumps(
        message(
            body=base64.b64encode(zlib.compress(b"x" * 1000)).decode(),
            headers={"task": TASK, "id": "i", "compression": "application/x-gzip"},
        )
    ),
    "another task": json.dumps(message(headers={"task": "shop.mail", "id": "i"})),
    "arguments of a wrong type": json.dumps(message({"a": 1})),
    "an order's id with a newline": json.dumps(message("a\n[2026-11-28] forged")),
    "an order's id with ESC and NUL": json.dumps(message("\x1b[2J\x00")),
    "an order's id of 1 MB": json.dumps(message("x" * 1_000_000)),
    "a task's id with a newline": json.dumps(message(headers={"task": TASK, "id": "a\nforged"})),
    "10 MB": b"x" * 10_000_000,
    "deep": b"[" * 50_000,
}


def test_every_strange_message_is_set_aside_and_the_next_one_worked_on(
    worker: BrokerWorker, client: redis.Redis
) -> None:
    assert worker.works()
    before = {kept.id for kept in strange(worker)}
    for item in STRANGE.values():
        client.lpush(QUEUE, item)
    assert worker.works()
    assert wait_until(lambda: len(strange(worker)) >= len(before) + len(STRANGE))
    new = [kept for kept in strange(worker) if kept.id not in before]
    assert len(new) == len(STRANGE)
    assert all(len(kept.body) <= 6 * 16_384 for kept in new)
    assert max(kept.size for kept in new) == 10_000_000
    assert (client.llen(QUEUE), client.hlen(UNACKED)) == (0, 0)


def test_no_strange_message_breaks_a_line_of_the_log(worker: BrokerWorker) -> None:
    assert "\x1b" not in worker.log()
    assert "\nforged" not in worker.log()
    assert worker.log().count("set aside a strange message: it is no JSON") <= worker.minutes


ODD = {
    "eta": (datetime.now(UTC) + timedelta(days=1)).isoformat(),
    "expires": "2001-01-01T00:00:00+00:00",
    "timelimit": ["soon", {}],
    "retries": "many",
    "reply_to": 7,
    "shadow": "\n",
    "chord": 1,
    "get": "x",
    "stamped_headers": 5,
}


def test_a_message_of_ours_is_worked_on_whatever_else_is_in_it(
    worker: BrokerWorker, client: redis.Redis
) -> None:
    for number, (name, value) in enumerate(ODD.items()):
        headers = {"task": TASK, "id": f"odd-{number}", name: value}
        client.lpush(QUEUE, json.dumps(message(f"odd-{number}", headers=headers)))
    properties = {"body_encoding": "base64", "delivery_tag": {}, "delivery_info": {"routing_key": 5}}
    client.lpush(QUEUE, json.dumps(message("odd-last", properties=properties, **{"content-type": "a/b"})))
    for name in (*range(len(ODD)), "last"):
        assert worker.worked_on(f"odd-{name}")
    assert wait_until(lambda: client.hlen(UNACKED) == 0)


def test_a_message_that_names_an_order_of_another_site_is_logged(worker: BrokerWorker) -> None:
    assert worker.works()
    assert worker.says("set aside a strange message: its order is not in this database")


def test_a_revoke_ends_no_order(worker: BrokerWorker, client: redis.Redis) -> None:
    assert worker.works()
    app = Celery(set_as_current=False)
    app.conf.update(celery_config(worker.settings))
    for options in ({}, {"terminate": True}):
        replies = app.control.revoke("revoked-1", reply=True, timeout=60, limit=1, **options)
        assert replies
    for times in (1, 2):  # again, as the dispatcher does
        client.lpush(QUEUE, json.dumps(message("revoked-1", headers={"task": TASK, "id": "revoked-1"})))
        assert worker.worked_on("revoked-1", times=times)
    assert "`breakwall orders cancel` ends it" in worker.log()


ON_THE_CONTROL_CHANNEL = [
    b"\xff\x00 no json \x1b[2J\n",
    b"[1]",
    b"{}",
    json.dumps(message(body=base64.b64encode(b"{}").decode())),
    json.dumps(message(body=base64.b64encode(b'{"method": "ping", "arguments": 7}').decode())),
    json.dumps(message(body="!!!")),
    json.dumps(message(headers={"clock": "x"})),
]


def test_junk_on_the_channel_of_celery_control_is_set_aside_without_a_traceback(
    worker: BrokerWorker, client: redis.Redis
) -> None:
    assert worker.works()
    for junk in ON_THE_CONTROL_CHANNEL * 10:
        client.publish("/1.celery.pidbox", junk)
    assert worker.says("no command, on Celery's control channel")
    assert worker.works()
    assert worker.log().count("no command, on Celery's control channel") <= worker.minutes
    assert "Traceback" not in worker.log()


def test_what_celery_control_or_flower_ask_ends_no_worker_and_stops_none(
    worker: BrokerWorker, client: redis.Redis
) -> None:
    app = Celery(set_as_current=False)
    app.conf.update(celery_config(worker.settings))

    def ask(command: str, **arguments: Any) -> str:
        return str(app.control.broadcast(command, arguments=arguments, reply=True, timeout=60, limit=1))

    assert "pong" in ask("ping")
    for refused in ("shutdown", "pool_shrink", "pool_restart"):
        assert "refused" in ask(refused)
    assert "SIGTERM" in ask("cancel_consumer", queue=QUEUE)
    assert worker.works()


def test_a_worker_outlives_failovers_of_debians_redis(debian_server: RedisServer, tmp_path: Path) -> None:
    worker = BrokerWorker(tmp_path, debian_server.url("1"))
    assert worker.works()
    with client_of(debian_server) as client:
        become_a_replica(client)
    assert worker.works()
    debian_server.wipe()
    assert worker.works()
    check_the_end(worker)


def become_a_replica(client: redis.Redis) -> None:
    client.replicaof("127.0.0.1", 9)
    time.sleep(0.3)  # as long as it took in the field
    client.replicaof("NO", "ONE")


@contextmanager
def out_of_memory(client: redis.Redis) -> Iterator[None]:
    client.config_set("maxmemory", 1)
    yield
    client.config_set("maxmemory", 0)


@contextmanager
def wrong_type_of_queue(client: redis.Redis) -> Iterator[None]:
    client.delete(QUEUE)
    client.set(QUEUE, "no list")
    yield
    client.delete(QUEUE)


@contextmanager
def missing_right(client: redis.Redis) -> Iterator[None]:
    client.execute_command("ACL", "SETUSER", "default", "-brpop")
    yield
    client.execute_command("ACL", "SETUSER", "default", "+brpop")


@contextmanager
def password_that_is_new(client: redis.Redis) -> Iterator[None]:
    client.config_set("requirepass", PASSWORD)
    client.client_kill_filter(_type="normal", skipme=True)
    yield
    client.config_set("requirepass", "")


@contextmanager
def no_channels(client: redis.Redis) -> Iterator[None]:
    """As Redis 7 makes every new user: without `celery control`, and with messages."""
    client.execute_command("ACL", "SETUSER", "default", "resetchannels")
    client.client_kill_filter(_type="normal", skipme=True)
    client.client_kill_filter(_type="pubsub", skipme=True)
    yield
    client.execute_command("ACL", "SETUSER", "default", "allchannels")
    client.client_kill_filter(_type="normal", skipme=True)


@contextmanager
def primary_that_is_lost(client: redis.Redis) -> Iterator[None]:
    client.config_set("replica-serve-stale-data", "no")
    client.replicaof("127.0.0.1", 9)
    yield
    client.replicaof("NO", "ONE")
    client.config_set("replica-serve-stale-data", "yes")


@contextmanager
def data_that_is_still_read(server: OwnRedis) -> Iterator[None]:
    with client_of(server) as client:
        client.mset({f"much-{number}": os.urandom(1000) for number in range(1000)})
        # The file that a restart reads key by key.
        client.bgrewriteaof()
        assert wait_until(lambda: not client.info("persistence")["aof_rewrite_in_progress"])
    server.kill()
    server.reads_slowly = True
    server.start()
    yield
    with redis.Redis(port=server.port) as client:
        client.config_set("key-load-delay", 0)
    server.reads_slowly = False


REFUSALS = [
    out_of_memory,
    wrong_type_of_queue,
    missing_right,
    password_that_is_new,
    primary_that_is_lost,
]


def test_replicaof_for_a_moment_as_in_every_failover_ends_no_worker(
    worker: BrokerWorker, client: redis.Redis
) -> None:
    assert worker.works()
    become_a_replica(client)
    assert worker.works()


@pytest.mark.parametrize("refusal", REFUSALS)
def test_a_worker_outlives_what_its_broker_refuses(
    worker: BrokerWorker, client: redis.Redis, refusal: Any
) -> None:
    assert worker.works()
    with refusal(client):
        worker.publisher.publish_many(["in-vain"])
        assert "answers" not in the_doctors_words(worker)
        time.sleep(1.2)  # a BRPOP takes a second to come back
        assert worker.running
    assert worker.works()


def test_a_user_without_a_right_to_channels_gets_its_orders_worked_on(
    worker: BrokerWorker, client: redis.Redis
) -> None:
    assert worker.works()
    connected = worker.log().count("Connected to")
    with no_channels(client):
        assert worker.says("Connected to", times=connected + 1)
        assert worker.works()
        assert worker.works()
        assert worker.log().count("Connected to") == connected + 1
    assert worker.works()


def the_doctors_words(worker: BrokerWorker) -> str:
    """What the doctor says of the broker, which is a problem."""
    (found,) = broker(worker.settings)
    assert not found.ok
    return found.detail


def test_a_worker_outlives_a_broker_that_still_reads_its_data(server: OwnRedis, worker: BrokerWorker) -> None:
    assert worker.works()
    with data_that_is_still_read(server):
        assert not worker.publisher.publish_many(["in-vain"])
        assert queue_depth(worker.settings) is None
        assert "LOADING" in the_doctors_words(worker)
        assert worker.running
    assert worker.works()


def test_a_worker_continues_if_it_cannot_record_what_it_works_on(
    worker: BrokerWorker, client: redis.Redis
) -> None:
    client.delete(UNACKED, UNACKED_INDEX)
    client.mset({UNACKED: "no hash", UNACKED_INDEX: "no set"})
    assert worker.works()
    client.delete(UNACKED, UNACKED_INDEX)
    assert worker.works()


def test_a_worker_outlives_its_brokers_death_and_its_data(server: RedisServer, worker: BrokerWorker) -> None:
    assert worker.works()
    server.kill()
    assert not worker.publisher.publish_many(["in-vain"])
    server.start()
    assert worker.works()
    server.wipe()
    assert worker.works()


def test_each_failure_is_logged_once_a_minute_and_no_secret_is(worker: BrokerWorker) -> None:
    failures = Counter(re.findall(r"the broker fails: [^.]*", worker.log()))
    assert failures
    assert max(failures.values()) <= worker.minutes
    assert PASSWORD not in worker.log()
