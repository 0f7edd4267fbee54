"""The brokers that a storm can rage over, and what each blow does to one of them."""

from __future__ import annotations

import contextlib
import random
import shutil
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

import amqp
import psutil
import redis

from breakwall.broker.config import QUEUE
from tests.chaos import storm_forecast as forecast
from tests.chaos.storm_forecast import Blow
from tests.servers import RabbitServer, RedisServer, Server, Workshop, rabbitmq_server_for_this_machine
from tests.servers.disk import SmallDisk
from tests.servers.sentinel import Node, SentinelSite, debians_redis

DEAD_PORT = 1

SMALL_DISK = 64
"""Megabytes: more than what strangers put into the queue in any storm, and soon full."""

Harm = Callable[[float], None]


class StormBroker(ABC):
    """A broker under blows.

    Attributes:
        kind: whose deck of `storm_forecast.BROKERS` is dealt.
        name: what the report calls it.
        has_small_disk: whether it can be filled.
    """

    kind: ClassVar[str]
    name: ClassVar[str]
    has_small_disk = False

    @abstractmethod
    def environ(self, data: Path) -> dict[str, str]:
        """The settings that lead to it; ``data`` is the site's data folder."""

    @abstractmethod
    def url(self) -> str:
        """Where a stranger puts messages, now."""

    @abstractmethod
    def harms(self) -> Mapping[str, Harm]:
        """What each blow does, for as many seconds as it is told."""

    def strike(self, blow: Blow) -> None:
        """Returns when it is back."""
        self.harms()[blow.name](blow.seconds)
        self.ensure_running()

    @abstractmethod
    def ensure_running(self) -> None: ...


class ServerBroker(StormBroker):
    """A server of the tests'."""

    def __init__(self, server: Server) -> None:
        self.server = server

    def environ(self, data: Path) -> dict[str, str]:
        return {"BREAKWALL_BROKER_URL": self.server.url()}

    def url(self) -> str:
        return self.server.url()

    def ensure_running(self) -> None:
        self.server.ensure_running()

    def harms(self) -> Mapping[str, Harm]:
        return {
            forecast.KILL_BROKER: _then_wait(self.server.kill),
            forecast.STOP_BROKER: _then_wait(self.server.stop),
            forecast.FREEZE_BROKER: _then_wait(self.server.pause),
            forecast.WIPE_BROKER: _then_wait(self.server.wipe),
        }


class RedisBroker(ServerBroker):
    """One Redis or Valkey."""

    kind = "redis"
    name = "Redis"

    def __init__(self, server: RedisServer, disk: SmallDisk | None = None) -> None:
        super().__init__(server)
        self.redis = server
        self._disk = disk
        self.has_small_disk = disk is not None

    def harms(self) -> Mapping[str, Harm]:
        return {
            **super().harms(),
            **error_replies(self._connect),
            forecast.DEMOTE_BROKER: self._demote,
            **({forecast.FILL_BROKERS_DISK: _filling(self._disk)} if self._disk else {}),
        }

    def _connect(self) -> redis.Redis:
        return redis.Redis(port=self.redis.port, socket_timeout=5)

    def _demote(self, seconds: float) -> None:
        with _asking(self._connect) as client:
            client.replicaof("127.0.0.1", str(DEAD_PORT))
            time.sleep(seconds)
            client.replicaof("no", "one")


class SentinelBroker(StormBroker):
    """A Redis with a replica, and sentinels that choose which of the two takes writes."""

    kind = "sentinel"
    name = "Redis"

    def __init__(self, site: SentinelSite, disks: Mapping[Node, SmallDisk] | None = None) -> None:
        self.site = site
        self._disks = disks or {}
        self.has_small_disk = bool(self._disks)

    def environ(self, data: Path) -> dict[str, str]:
        return {"BREAKWALL_BROKER_URL": self.site.url()}

    def url(self) -> str:
        return self.site.master.url()

    def harms(self) -> Mapping[str, Harm]:
        return {
            forecast.FAIL_OVER: _then_wait(self.site.fail_over),
            forecast.HAND_OVER: _then_wait(self.site.hand_over),
            forecast.KILL_BROKER: _then_wait(lambda: self.site.master.kill()),
            forecast.FILL_BROKERS_DISK: lambda seconds: _filling(self._disks[self.site.master])(seconds),
            **error_replies(lambda: self.site.master.client()),
        }

    def ensure_running(self) -> None:
        self.site.ensure_running()


class RabbitBroker(ServerBroker):
    """RabbitMQ."""

    kind = "rabbitmq"
    name = "RabbitMQ"
    server: RabbitServer

    def harms(self) -> Mapping[str, Harm]:
        return {
            **super().harms(),
            forecast.DELETE_QUEUE: self._delete_twice,
            forecast.ALARM_BROKER: self._alarm,
            forecast.CLOSE_CONNECTIONS: self._close_connections,
            forecast.STOP_APP: self._stop_app,
        }

    def _alarm(self, seconds: float) -> None:
        self.server.raise_disk_alarm()
        time.sleep(seconds)
        self.server.clear_disk_alarm()

    def _close_connections(self, seconds: float) -> None:
        self.server.control("close_all_connections", "the operator closes them")
        time.sleep(seconds)

    def _stop_app(self, seconds: float) -> None:
        self.server.control("stop_app")
        time.sleep(seconds)
        self.server.control("start_app")

    def _delete_twice(self, seconds: float) -> None:
        for _ in range(2):
            with (
                contextlib.suppress(OSError, amqp.exceptions.AMQPError),
                amqp.Connection(f"127.0.0.1:{self.server.port}", connect_timeout=2, read_timeout=5) as line,
            ):
                line.channel().queue_delete(QUEUE)
            time.sleep(min(seconds, 1.5))


class EmbeddedBroker(StormBroker):
    """The server that a worker starts, and its folder."""

    kind = "embedded"
    name = "embedded broker"

    def __init__(self, workshop: Workshop, seed: int, *, small_disk: bool) -> None:
        self._workshop = workshop
        self._dice = random.Random(f"{seed}:damage")
        self._data = Path()
        self._disk: SmallDisk | None = None
        self.has_small_disk = small_disk

    def environ(self, data: Path) -> dict[str, str]:
        self._data = data
        if self.has_small_disk:
            self._disk = SmallDisk(self._workshop, data, SMALL_DISK)
        return {}

    def url(self) -> str:
        return f"redis+socket://{self._data / 'broker.sock'}"

    def harms(self) -> Mapping[str, Harm]:
        return {
            forecast.KILL_BROKER: _then_wait(self._kill),
            forecast.DAMAGE_FILES: self._damage,
            forecast.REMOVE_FILES: _then_wait(self._remove),
            **({forecast.FILL_BROKERS_DISK: _filling(self._disk)} if self._disk else {}),
        }

    def ensure_running(self) -> None:
        """That is the workers' affair."""

    def _kill(self) -> None:
        for server in self._servers():
            with contextlib.suppress(psutil.NoSuchProcess):
                server.kill()

    def _damage(self, seconds: float) -> None:
        files = [path for path in (self._data / "broker").rglob("*.aof*") if path.is_file()]
        for path in files:
            with contextlib.suppress(OSError):
                _spoil(path, self._dice)
        self._kill()
        time.sleep(seconds)

    def _remove(self) -> None:
        shutil.rmtree(self._data / "broker", ignore_errors=True)
        (self._data / "broker.sock").unlink(missing_ok=True)

    def _servers(self) -> list[psutil.Process]:
        mine = str(self._data / "broker.sock")
        return [one for one in psutil.process_iter(["cmdline"]) if _serves(one.info["cmdline"], mine)]


def broker_for(kind: str, workshop: Workshop, seed: int, *, small_disk: bool) -> StormBroker:
    """One of `storm_forecast.BROKERS`, running; with a disk that can be filled, if wanted. RabbitMQ needs none.

    Raises:
        UnavailableError: it cannot be had on this machine.
    """
    broker: StormBroker
    match kind:
        case "redis":
            server = RedisServer(workshop)
            broker = RedisBroker(server, _disk_of(server) if small_disk else None)
        case "rabbitmq":
            broker = RabbitBroker(rabbitmq_server_for_this_machine(workshop))
        case "sentinel":
            site = SentinelSite(workshop, debians_redis())
            disks = {node: _disk_of(node) for node in site.nodes} if small_disk else {}
            site.start()
            broker = SentinelBroker(site, disks)
        case _:
            broker = EmbeddedBroker(workshop, seed, small_disk=small_disk)
    broker.ensure_running()
    return broker


def _disk_of(server: Server) -> SmallDisk:
    return SmallDisk(server.workshop, server.folder / "data", SMALL_DISK)


def error_replies(connect: Callable[[], redis.Redis]) -> Mapping[str, Harm]:
    """What a Redis may answer instead of doing what it is asked.

    Args:
        connect: to the server that takes writes, at the moment of the blow.
    """

    def reply(change: Callable[[redis.Redis], object], back: Callable[[redis.Redis], object]) -> Harm:
        def harm(seconds: float) -> None:
            with _asking(connect) as client:
                change(client)
                time.sleep(seconds)
                back(client)

        return harm

    return {
        forecast.FILL_BROKER: reply(
            lambda client: client.config_set("maxmemory", 1), lambda client: client.config_set("maxmemory", 0)
        ),
        forecast.BARE_BROKER: reply(
            lambda client: client.execute_command("ACL", "SETUSER", "default", "-lpush", "-brpop", "-llen"),
            lambda client: client.execute_command("ACL", "SETUSER", "default", "+@all"),
        ),
    }


@contextmanager
def _asking(connect: Callable[[], redis.Redis]) -> Iterator[redis.Redis]:
    with contextlib.suppress(redis.RedisError), connect() as client:
        yield client


def _filling(disk: SmallDisk) -> Harm:
    def strike(seconds: float) -> None:
        with disk.filled():
            time.sleep(seconds)

    return strike


def _then_wait(harm: Callable[[], None]) -> Harm:
    def strike(seconds: float) -> None:
        harm()
        time.sleep(seconds)

    return strike


def _spoil(path: Path, dice: random.Random) -> None:
    content = bytearray(path.read_bytes())
    how = dice.choice(("cut", "garbage", "gone"))
    if how == "gone":
        path.unlink()
        return
    at = dice.randrange(len(content) + 1)
    path.write_bytes(bytes(content[:at]) + (dice.randbytes(64) if how == "garbage" else b""))


def _serves(command: list[str] | None, socket: str) -> bool:
    return command is not None and socket in command and any("-server" in part for part in command[:1])
