"""The brokers of a chaos run, and what each fault does to one of them."""

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
from tests.chaos import fault_schedule
from tests.chaos.fault_schedule import InjectedFault
from tests.servers import RabbitServer, RedisServer, Server, Workspace, rabbitmq_server_for_this_machine
from tests.servers.disk import SmallDisk
from tests.servers.sentinel import Node, SentinelSite, debians_redis

DEAD_PORT = 1

SMALL_DISK = 64  # Megabytes: more than all strange messages of a run, and soon filled.

Injection = Callable[[float], None]


class ChaosBroker(ABC):
    """A broker under faults."""

    kind: ClassVar[str]  # Its faults in `fault_schedule.BROKERS`.
    name: ClassVar[str]  # In the report.
    has_small_disk = False  # Whether its disk can be filled.

    @abstractmethod
    def environ(self, data: Path) -> dict[str, str]:
        """The settings that lead to it; ``data`` is the deployment's data folder."""

    @abstractmethod
    def url(self) -> str:
        """Where strange messages are sent to, now."""

    @abstractmethod
    def faults(self) -> Mapping[str, Injection]:
        """For each fault the function that causes it for so many seconds."""

    def inject(self, fault: InjectedFault) -> None:
        """Cause the fault; returns when the broker is back."""
        self.faults()[fault.name](fault.seconds)
        self.ensure_running()

    @abstractmethod
    def ensure_running(self) -> None: ...


class ServerBroker(ChaosBroker):
    """One of the tests' own servers."""

    def __init__(self, server: Server) -> None:
        self.server = server

    def environ(self, data: Path) -> dict[str, str]:
        return {"BREAKWALL_BROKER_URL": self.server.url()}

    def url(self) -> str:
        return self.server.url()

    def ensure_running(self) -> None:
        self.server.ensure_running()

    def faults(self) -> Mapping[str, Injection]:
        return {
            fault_schedule.KILL_BROKER: _then_wait(self.server.kill),
            fault_schedule.STOP_BROKER: _then_wait(self.server.stop),
            fault_schedule.FREEZE_BROKER: _then_wait(self.server.pause),
            fault_schedule.WIPE_BROKER: _then_wait(self.server.wipe),
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

    def faults(self) -> Mapping[str, Injection]:
        return {
            **super().faults(),
            **error_replies(self._connect),
            fault_schedule.DEMOTE_BROKER: self._demote,
            **({fault_schedule.FILL_BROKERS_DISK: _filling(self._disk)} if self._disk else {}),
        }

    def _connect(self) -> redis.Redis:
        return redis.Redis(port=self.redis.port, socket_timeout=5)

    def _demote(self, seconds: float) -> None:
        with _client(self._connect) as client:
            client.replicaof("127.0.0.1", str(DEAD_PORT))
            time.sleep(seconds)
            client.replicaof("no", "one")


class SentinelBroker(ChaosBroker):
    """A Redis with a replica, and sentinels that choose which of the two is the primary."""

    kind = "sentinel"
    name = "Redis"

    def __init__(self, site: SentinelSite, disks: Mapping[Node, SmallDisk] | None = None) -> None:
        self.site = site
        self._disks = disks or {}
        self.has_small_disk = bool(self._disks)

    def environ(self, data: Path) -> dict[str, str]:
        return {"BREAKWALL_BROKER_URL": self.site.url()}

    def url(self) -> str:
        return self.site.primary.url()

    def faults(self) -> Mapping[str, Injection]:
        return {
            fault_schedule.FAIL_OVER: _then_wait(self.site.fail_over),
            fault_schedule.HAND_OVER: _then_wait(self.site.hand_over),
            fault_schedule.KILL_BROKER: _then_wait(lambda: self.site.primary.kill()),
            fault_schedule.FILL_BROKERS_DISK: self._fill_disk,
            **error_replies(lambda: self.site.primary.client()),
        }

    def ensure_running(self) -> None:
        self.site.ensure_running()

    def _fill_disk(self, seconds: float) -> None:
        _filling(self._disks[self.site.primary])(seconds)


class RabbitBroker(ServerBroker):
    """RabbitMQ."""

    kind = "rabbitmq"
    name = "RabbitMQ"
    server: RabbitServer

    def faults(self) -> Mapping[str, Injection]:
        return {
            **super().faults(),
            fault_schedule.DELETE_QUEUE: self._delete_twice,
            fault_schedule.ALARM_BROKER: self._alarm,
            fault_schedule.CLOSE_CONNECTIONS: self._close_connections,
            fault_schedule.STOP_APP: self._stop_app,
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
                amqp.Connection(
                    f"127.0.0.1:{self.server.port}", connect_timeout=2, read_timeout=5
                ) as connection,
            ):
                connection.channel().queue_delete(QUEUE)
            time.sleep(min(seconds, 1.5))


class EmbeddedChaosBroker(ChaosBroker):
    """The server that a worker starts, and its folder."""

    kind = "embedded"
    name = "embedded broker"

    def __init__(self, workspace: Workspace, seed: int, *, small_disk: bool) -> None:
        self._workshop = workspace
        self._random = random.Random(f"{seed}:damage")
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

    def faults(self) -> Mapping[str, Injection]:
        return {
            fault_schedule.KILL_BROKER: _then_wait(self._kill),
            fault_schedule.DAMAGE_FILES: self._damage,
            fault_schedule.REMOVE_FILES: _then_wait(self._remove),
            **({fault_schedule.FILL_BROKERS_DISK: _filling(self._disk)} if self._disk else {}),
        }

    def ensure_running(self) -> None:
        """The workers start it."""

    def _kill(self) -> None:
        for server in self._servers():
            with contextlib.suppress(psutil.NoSuchProcess):
                server.kill()

    def _damage(self, seconds: float) -> None:
        files = [path for path in (self._data / "broker").rglob("*.aof*") if path.is_file()]
        for path in files:
            with contextlib.suppress(OSError):
                _damage_file(path, self._random)
        self._kill()
        time.sleep(seconds)

    def _remove(self) -> None:
        shutil.rmtree(self._data / "broker", ignore_errors=True)
        (self._data / "broker.sock").unlink(missing_ok=True)

    def _servers(self) -> list[psutil.Process]:
        mine = str(self._data / "broker.sock")
        return [one for one in psutil.process_iter(["cmdline"]) if _serves(one.info["cmdline"], mine)]


def broker_for(kind: str, workspace: Workspace, seed: int, *, small_disk: bool) -> ChaosBroker:
    """One of `fault_schedule.BROKERS`, running, with a small disk if asked for; RabbitMQ needs none.

    Raises `UnavailableError` if this machine cannot have it.
    """
    broker: ChaosBroker
    match kind:
        case "redis":
            server = RedisServer(workspace)
            broker = RedisBroker(server, _disk_of(server) if small_disk else None)
        case "rabbitmq":
            broker = RabbitBroker(rabbitmq_server_for_this_machine(workspace))
        case "sentinel":
            site = SentinelSite(workspace, debians_redis())
            disks = {node: _disk_of(node) for node in site.nodes} if small_disk else {}
            site.start()
            broker = SentinelBroker(site, disks)
        case _:
            broker = EmbeddedChaosBroker(workspace, seed, small_disk=small_disk)
    broker.ensure_running()
    return broker


def _disk_of(server: Server) -> SmallDisk:
    return SmallDisk(server.workspace, server.folder / "data", SMALL_DISK)


def error_replies(connect: Callable[[], redis.Redis]) -> Mapping[str, Injection]:
    """Faults in which a Redis answers with an error. ``connect`` connects to the primary of the moment."""

    def reply(change: Callable[[redis.Redis], object], back: Callable[[redis.Redis], object]) -> Injection:
        def inject(seconds: float) -> None:
            with _client(connect) as client:
                change(client)
                time.sleep(seconds)
                back(client)

        return inject

    return {
        fault_schedule.FILL_BROKER: reply(
            lambda client: client.config_set("maxmemory", 1), lambda client: client.config_set("maxmemory", 0)
        ),
        fault_schedule.BARE_BROKER: reply(
            lambda client: client.execute_command("ACL", "SETUSER", "default", "-lpush", "-brpop", "-llen"),
            lambda client: client.execute_command("ACL", "SETUSER", "default", "+@all"),
        ),
    }


@contextmanager
def _client(connect: Callable[[], redis.Redis]) -> Iterator[redis.Redis]:
    with contextlib.suppress(redis.RedisError), connect() as client:
        yield client


def _filling(disk: SmallDisk) -> Injection:
    def inject(seconds: float) -> None:
        with disk.filled():
            time.sleep(seconds)

    return inject


def _then_wait(action: Callable[[], None]) -> Injection:
    def inject(seconds: float) -> None:
        action()
        time.sleep(seconds)

    return inject


def _damage_file(path: Path, rng: random.Random) -> None:
    content = bytearray(path.read_bytes())
    how = rng.choice(("cut", "garbage", "gone"))
    if how == "gone":
        path.unlink()
        return
    at = rng.randrange(len(content) + 1)
    path.write_bytes(bytes(content[:at]) + (rng.randbytes(64) if how == "garbage" else b""))


def _serves(command: list[str] | None, socket: str) -> bool:
    return command is not None and socket in command and any("-server" in part for part in command[:1])
