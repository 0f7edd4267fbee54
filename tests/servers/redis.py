"""A private Valkey: from the wheel that Breakwall itself depends on, else from the path."""

import itertools
from collections import Counter
from pathlib import Path

import redis

from breakwall.broker.embedded.server import NoServerProgramError, find_server_program
from tests.servers.server import Server, UnavailableError, version_of
from tests.servers.workspace import Workspace
from tests.waiting import wait_until

DATABASES = 64


def program() -> Path:
    try:
        return find_server_program()
    except NoServerProgramError as error:
        raise UnavailableError(str(error)) from None


def configuration(port: int, data: Path) -> dict[str, object]:
    """The options of a server that keeps over ``kill`` what it has acknowledged."""
    return {
        "bind": "127.0.0.1",
        "port": port,
        "dir": data,
        "databases": DATABASES,
        "appendonly": "yes",
        "appendfsync": "no",  # with any other value a write may wait behind a sync, and be lost by a kill
        "save": "",
        "maxmemory-policy": "noeviction",
    }


class RedisServer(Server):
    """Keeps over ``kill`` what it has acknowledged (append-only file); `url` takes a database's number."""

    name = "Redis"

    def __init__(self, workspace: Workspace) -> None:
        self.program = program()
        super().__init__(workspace)
        self._numbers = itertools.cycle(range(1, DATABASES))

    @property
    def description(self) -> str:
        return describe(self.program)

    def url(self, name: str = "0") -> str:
        return f"redis://127.0.0.1:{self.port}/{name}"

    def fresh_url(self) -> str:
        """An empty database; the last test that used it is long over."""
        url = self.url(str(next(self._numbers)))
        with redis.Redis.from_url(url) as client:
            client.flushdb()
        return url

    def commands(self) -> Counter[str]:
        """How often each command has run on all databases; the difference of two counts is what ran between them."""
        with redis.Redis(port=self.port) as client:
            stats = client.info("commandstats")
        counts = Counter(
            {name.removeprefix("cmdstat_"): int(value["calls"]) for name, value in stats.items()}
        )
        for ours in ("info", "client|setinfo", "hello"):
            del counts[ours]
        return counts

    def _prepare(self) -> None:
        (self.folder / "data").mkdir(exist_ok=True)

    def _command(self) -> list[str]:
        options = configuration(self.port, self.folder / "data")
        return [
            str(self.program),
            *(part for key, value in options.items() for part in (f"--{key}", str(value))),
        ]

    def _answers(self) -> bool:
        try:
            with redis.Redis(port=self.port, socket_timeout=1) as client:
                return bool(client.ping())
        except redis.RedisError:
            return False


class RedisCluster(RedisServer):
    """A cluster of one node, which has all slots; `url` has no number, because a cluster has one database."""

    name = "Redis Cluster"

    def url(self, name: str = "0") -> str:
        return f"redis://127.0.0.1:{self.port}"

    def fresh_url(self) -> str:
        with redis.Redis(port=self.port) as client:
            client.flushdb()
        return self.url()

    def start(self) -> None:
        super().start()
        with redis.Redis(port=self.port) as client:
            if client.cluster("info")["cluster_slots_assigned"] == "0":
                client.cluster("addslotsrange", 0, 16_383)
            wait_until(lambda: client.cluster("info")["cluster_state"] == "ok")

    def _command(self) -> list[str]:
        # Without it, the cluster's own port is that of the clients and 10,000: nobody has looked whether that is free.
        bus = str(self.workspace.free_port())
        return [*super()._command(), "--cluster-enabled", "yes", "--databases", "1", "--cluster-port", bus]


def describe(found: Path) -> str:
    product = "Valkey" if "valkey" in found.name else "Redis"
    origin = "the wheel" if "site-packages" in found.parts else str(found.parent)
    return f"{product} {version_of(found, '--version')} from {origin}"
