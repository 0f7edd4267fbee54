"""A private Redis with a replica and three sentinels, all of one program: Debian's redis-server, or a Valkey's."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

import redis

from tests.servers import packages
from tests.servers.redis import DATABASES
from tests.servers.server import Server, UnavailableError, empty_folder
from tests.servers.workspace import Workspace

T = TypeVar("T")

MASTER = "payments"
# Each has to be escaped in a URL. (With a blank Redis writes a configuration that it cannot read.)
PASSWORD = "red@is"
SENTINEL_PASSWORD = "senti/nel"

SENTINELS = 3
DOWN_AFTER = 500
"""Milliseconds without an answer after which a sentinel takes a server for dead."""

FAILOVER_TIMEOUT = 1000
"""Milliseconds; the next failover begins after twice this at the earliest."""

PATIENCE = 60.0


def debians_redis() -> Path:
    """Redis's own server, which is a sentinel too.

    Raises:
        UnavailableError: it is not here and cannot be installed.
    """
    found = packages.program("redis-server", "redis-server")
    if found is None:
        raise UnavailableError("no redis-server here, and it could not be installed (Debian: redis-server)")
    return found


class Node(Server):
    """One of the two servers; a replica of ``follows`` from its next start on, where that is set."""

    def __init__(self, workspace: Workspace, program: Path, number: int) -> None:
        self.name = f"redis-{program.name}-{number}"  # type: ignore[misc]  # here each server has its own
        super().__init__(workspace)
        self._program = program
        self.follows: int | None = None

    def url(self, name: str = "0") -> str:
        return f"redis://:{quote(PASSWORD, safe='')}@127.0.0.1:{self.port}/{name}"

    def client(self, number: int = 0) -> redis.Redis:
        return redis.Redis(
            port=self.port, password=PASSWORD, db=number, socket_timeout=2, decode_responses=True
        )

    def role(self) -> str:
        """``master``, or of a replica whether it has caught up: ``connected``, ``connect``, …; or ``dead``."""
        try:
            with self.client() as client:
                answer = client.role()
        except redis.RedisError:
            return "dead"
        return str(answer[0] if answer[0] == "master" else answer[3])

    def _prepare(self) -> None:
        (self.folder / "data").mkdir(exist_ok=True)

    def _command(self) -> list[str]:
        options = {
            "bind": "127.0.0.1",
            "port": self.port,
            "dir": self.folder / "data",
            "databases": DATABASES,
            "appendonly": "yes",
            "appendfsync": "no",
            "save": "",
            "maxmemory-policy": "noeviction",
            "requirepass": PASSWORD,
            "masterauth": PASSWORD,
            "repl-diskless-sync-delay": 0,
        }
        if self.follows is not None:
            options["replicaof"] = f"127.0.0.1 {self.follows}"
        file = self.folder / "conf"
        file.write_text("".join(f"{key} {value}\n" for key, value in options.items()))
        return [str(self._program), str(file)]

    def _answers(self) -> bool:
        return self.role() != "dead"

    def _remove_data(self) -> None:
        empty_folder(self.folder / "data")


class SentinelNode(Server):
    """One sentinel. It keeps what it knows in its configuration file, over restarts too."""

    def __init__(self, workspace: Workspace, program: Path, number: int, master_port: int) -> None:
        self.name = f"sentinel-{program.name}-{number}"  # type: ignore[misc]
        super().__init__(workspace)
        self._program = program
        self._master_port = master_port

    def url(self, name: str = "") -> str:
        return f"sentinel://127.0.0.1:{self.port}"

    def client(self) -> redis.Redis:
        return redis.Redis(
            port=self.port, password=SENTINEL_PASSWORD, socket_timeout=2, decode_responses=True
        )

    def master_port(self) -> int | None:
        """Where it says the master is."""
        try:
            with self.client() as client:
                answer = client.execute_command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", MASTER)
        except redis.RedisError:
            return None
        return int(answer[1])

    def knows(self) -> tuple[int, int]:
        """How many other sentinels and how many replicas it has met."""
        told = self._about_the_master()
        return int(told["num-other-sentinels"]), int(told["num-slaves"])

    def is_calm(self) -> bool:
        """Whether it neither takes the master for dead nor replaces it; a failover that has begun goes on."""
        try:
            return self._about_the_master()["flags"] == "master"
        except redis.RedisError:
            return False

    def _about_the_master(self) -> dict[str, str]:
        with self.client() as client:
            pairs = client.execute_command("SENTINEL", "MASTER", MASTER)
        return pairs if isinstance(pairs, dict) else dict(zip(pairs[::2], pairs[1::2], strict=True))

    def _prepare(self) -> None:
        file = self.folder / "conf"
        if not file.exists():
            file.write_text(
                f"bind 127.0.0.1\nport {self.port}\ndir {self.folder}\nrequirepass {SENTINEL_PASSWORD}\n"
                f"sentinel sentinel-pass {SENTINEL_PASSWORD}\n"
                f"sentinel monitor {MASTER} 127.0.0.1 {self._master_port} 2\n"
                f"sentinel auth-pass {MASTER} {PASSWORD}\n"
                f"sentinel down-after-milliseconds {MASTER} {DOWN_AFTER}\n"
                f"sentinel failover-timeout {MASTER} {FAILOVER_TIMEOUT}\n"
            )

    def _command(self) -> list[str]:
        return [str(self._program), str(self.folder / "conf"), "--sentinel"]

    def _answers(self) -> bool:
        return self.master_port() is not None

    def _remove_data(self) -> None:
        (self.folder / "conf").unlink(missing_ok=True)


class SentinelSite:
    """All of it. `fail_over` loses the master; `hand_over` has the two change places."""

    def __init__(self, workspace: Workspace, program: Path) -> None:
        self.nodes = [Node(workspace, program, number) for number in range(2)]
        self.nodes[1].follows = self.nodes[0].port
        self.sentinels = [
            SentinelNode(workspace, program, number, self.nodes[0].port) for number in range(SENTINELS)
        ]
        self._numbers = itertools.cycle(range(1, DATABASES))

    @property
    def master(self) -> Node:
        """The server that the sentinels name. On a busy machine they replace one unasked, and disagree meanwhile."""
        return self._wait(self._named)

    @property
    def replica(self) -> Node:
        """The other one."""
        return next(node for node in self.nodes if node is not self.master)

    def url(self, number: int = 0) -> str:
        """What a user would set: the master's password in front, the sentinels' behind."""
        credentials = f":{quote(PASSWORD, safe='')}@"
        hosts = [f"127.0.0.1:{sentinel.port}" for sentinel in self.sentinels]
        sentinels = ";".join(f"sentinel://{host}" for host in [credentials + hosts[0], *hosts[1:]])
        asked = f"master_name={MASTER}&sentinel_password={quote(SENTINEL_PASSWORD, safe='')}"
        return f"{sentinels}/{number}?{asked}"

    def fresh_url(self) -> str:
        """An empty database that no earlier test has used lately."""
        number = next(self._numbers)
        with self.master.client(number) as client:
            client.flushdb()
        return self.url(number)

    def start(self) -> None:
        for server in (*self.nodes, *self.sentinels):
            server.start()
        self._wait(lambda: all(one.knows() == (SENTINELS - 1, 1) for one in self.sentinels))
        self._wait(self._healthy)

    def ensure_running(self) -> None:
        """Up, one master with one replica that has caught up, whatever the test before did."""
        for server in (*self.sentinels, *self.nodes):
            server.resume()
        for sentinel in self.sentinels:
            sentinel.start()
        for node in self.nodes:
            self._bring_back(node)
        if self.replica.role() == "master":
            self._follow(self.replica, self.master)
        self._wait(self._healthy)

    def fail_over(self) -> Node:
        """``kill -9`` for the master; returns when the sentinels have made the replica the new one, which it is."""
        self._wait(self._healthy)
        lost, heir = self.master, self.replica
        lost.kill()
        self._wait(lambda: self._agreed_on(heir))
        return heir

    def wait_for_the_replica(self) -> None:
        """Until it has all that the master has acknowledged so far."""
        with self.master.client() as client:
            client.wait(1, int(PATIENCE * 1000))

    def hand_over(self) -> Node:
        """The sentinels make the replica the master and the master its replica; no server ends meanwhile.

        Whoever is connected to the former master stays so, and learns from its answers what it has become.
        """
        former, heir = self.master, self.replica
        self._wait(self._begin_failover)
        self._wait(lambda: self._agreed_on(heir))
        self._follow(former, heir)
        self._wait(self._healthy)
        return heir

    def close(self) -> None:
        for server in (*self.sentinels, *self.nodes):
            server.close()

    def _bring_back(self, node: Node) -> None:
        if node.running:
            return
        # A sentinel makes a returning master a replica by itself, but takes its time.
        others = [other.port for other in self.nodes if other is not node and other.role() == "master"]
        node.follows = others[0] if others else None
        node.start()

    def _begin_failover(self) -> bool:
        try:
            with self.sentinels[0].client() as client:
                client.execute_command("SENTINEL", "FAILOVER", MASTER)
        except redis.ResponseError:  # it takes a moment to believe in a replica that has just come back
            return False
        return True

    def _follow(self, node: Node, master: Node) -> None:
        # A sentinel comes to that by itself, after eight seconds.
        with node.client() as client:
            client.replicaof("127.0.0.1", master.port)

    def _told(self) -> set[int]:
        return {port for sentinel in self.sentinels if (port := sentinel.master_port()) is not None}

    def _named(self) -> Node | None:
        told = self._told()
        return next((node for node in self.nodes if told == {node.port}), None)

    def _agreed_on(self, node: Node) -> bool:
        return self._told() == {node.port} and node.role() == "master"

    def _healthy(self) -> bool:
        roles = sorted(node.role() for node in self.nodes)
        return (
            roles == ["connected", "master"]
            and all(one.is_calm() for one in self.sentinels)
            and len(self._told()) == 1
        )

    def _wait(self, condition: Callable[[], T | None]) -> T:
        deadline = time.monotonic() + PATIENCE
        while not (met := condition()):
            if time.monotonic() > deadline:
                raise RuntimeError("\n".join(sentinel.log()[-1500:] for sentinel in self.sentinels))
            time.sleep(0.02)
        return met
