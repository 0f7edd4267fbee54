"""A private Redis with a replica and three sentinels, all of one program: Debian's redis-server, or a Valkey's."""

import itertools
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

import redis

from tests.servers import packages
from tests.servers.redis import DATABASES, configuration
from tests.servers.server import Server, UnavailableError
from tests.servers.workspace import Workspace

T = TypeVar("T")

MASTER_NAME = "payments"
# Each has to be escaped in a URL. (With a blank Redis writes a configuration that it cannot read.)
PASSWORD = "red@is"
SENTINEL_PASSWORD = "senti/nel"

SENTINELS = 3
DOWN_AFTER = 500  # Milliseconds without an answer after which a sentinel takes a server for dead.
FAILOVER_TIMEOUT = 1000  # Milliseconds; the next failover begins after twice this at the earliest.
TIMEOUT = 60.0  # Seconds for any change of the site, on a busy machine.


def debians_redis() -> Path:
    """Redis's own server, which is a sentinel too. Raises `UnavailableError`."""
    found = packages.program("redis-server", "redis-server")
    if found is None:
        raise UnavailableError("no redis-server here, and it could not be installed (Debian: redis-server)")
    return found


class Node(Server):
    """One of the two servers. If ``follows`` is set, it starts as a replica of that port."""

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
        """``master``; of a replica whether it has caught up: ``connected``, ``connect``, …; or ``dead``."""
        try:
            with self.client() as client:
                answer = client.role()
        except redis.RedisError:
            return "dead"
        return str(answer[0] if answer[0] == "master" else answer[3])

    def _prepare(self) -> None:
        (self.folder / "data").mkdir(exist_ok=True)

    def _command(self) -> list[str]:
        options = configuration(self.port, self.folder / "data") | {
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


class SentinelNode(Server):
    """One sentinel. Its configuration file keeps what it knows over restarts."""

    def __init__(self, workspace: Workspace, program: Path, number: int, primary_port: int) -> None:
        self.name = f"sentinel-{program.name}-{number}"  # type: ignore[misc]
        super().__init__(workspace)
        self._program = program
        self._primary_port = primary_port

    def url(self, name: str = "") -> str:
        return f"sentinel://127.0.0.1:{self.port}"

    def client(self) -> redis.Redis:
        return redis.Redis(
            port=self.port, password=SENTINEL_PASSWORD, socket_timeout=2, decode_responses=True
        )

    def primary_port(self) -> int | None:
        """The primary's port, as this sentinel reports it."""
        try:
            with self.client() as client:
                answer = client.execute_command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", MASTER_NAME)
        except redis.RedisError:
            return None
        return int(answer[1])

    def knows(self) -> tuple[int, int]:
        """How many other sentinels and how many replicas it has met."""
        state = self._state_of_the_primary()
        return int(state["num-other-sentinels"]), int(state["num-slaves"])

    def is_calm(self) -> bool:
        """Whether it neither takes the primary for dead nor replaces it. A failover that has begun continues."""
        try:
            return self._state_of_the_primary()["flags"] == "master"
        except redis.RedisError:
            return False

    def _state_of_the_primary(self) -> dict[str, str]:
        with self.client() as client:
            pairs = client.execute_command("SENTINEL", "MASTER", MASTER_NAME)
        return pairs if isinstance(pairs, dict) else dict(zip(pairs[::2], pairs[1::2], strict=True))

    def _prepare(self) -> None:
        file = self.folder / "conf"
        if not file.exists():
            file.write_text(
                f"bind 127.0.0.1\nport {self.port}\ndir {self.folder}\nrequirepass {SENTINEL_PASSWORD}\n"
                f"sentinel sentinel-pass {SENTINEL_PASSWORD}\n"
                f"sentinel monitor {MASTER_NAME} 127.0.0.1 {self._primary_port} 2\n"
                f"sentinel auth-pass {MASTER_NAME} {PASSWORD}\n"
                f"sentinel down-after-milliseconds {MASTER_NAME} {DOWN_AFTER}\n"
                f"sentinel failover-timeout {MASTER_NAME} {FAILOVER_TIMEOUT}\n"
            )

    def _command(self) -> list[str]:
        return [str(self._program), str(self.folder / "conf"), "--sentinel"]

    def _answers(self) -> bool:
        return self.primary_port() is not None

    def _remove_data(self) -> None:
        (self.folder / "conf").unlink(missing_ok=True)


class SentinelSite:
    """The two servers and the sentinels. `fail_over` kills the primary; `hand_over` swaps primary and replica."""

    def __init__(self, workspace: Workspace, program: Path) -> None:
        self.nodes = [Node(workspace, program, number) for number in range(2)]
        self.nodes[1].follows = self.nodes[0].port
        self.sentinels = [
            SentinelNode(workspace, program, number, self.nodes[0].port) for number in range(SENTINELS)
        ]
        self._numbers = itertools.cycle(range(1, DATABASES))

    @property
    def primary(self) -> Node:
        """The server that all sentinels report. On a busy machine they may replace it and disagree meanwhile."""
        return self._wait(self._named)

    @property
    def replica(self) -> Node:
        """The other one."""
        primary = self.primary  # Asked once: it may be another one a moment later.
        return next(node for node in self.nodes if node is not primary)

    def url(self, number: int = 0) -> str:
        """As a user would set it: the primary's password first, the sentinels' at the end."""
        credentials = f":{quote(PASSWORD, safe='')}@"
        hosts = [f"127.0.0.1:{sentinel.port}" for sentinel in self.sentinels]
        sentinels = ";".join(f"sentinel://{host}" for host in [credentials + hosts[0], *hosts[1:]])
        parameters = f"master_name={MASTER_NAME}&sentinel_password={quote(SENTINEL_PASSWORD, safe='')}"
        return f"{sentinels}/{number}?{parameters}"

    def fresh_url(self) -> str:
        """An empty database; the last test that used it is long over."""
        number = next(self._numbers)
        with self.primary.client(number) as client:
            client.flushdb()
        return self.url(number)

    def start(self) -> None:
        for server in (*self.nodes, *self.sentinels):
            server.start()
        self._wait(lambda: all(one.knows() == (SENTINELS - 1, 1) for one in self.sentinels))
        self._wait(self._healthy)

    def ensure_running(self) -> None:
        """Make one primary and one replica that has caught up, whatever the test before did."""
        for server in (*self.sentinels, *self.nodes):
            server.resume()
        for sentinel in self.sentinels:
            sentinel.start()
        for node in self.nodes:
            self._bring_back(node)
        if self.replica.role() == "master":
            self._follow(self.replica, self.primary)
        self._wait(self._healthy)

    def fail_over(self) -> Node:
        """``kill -9`` for the primary; returns the replica when the sentinels have made it the primary."""
        self._wait(self._healthy)
        lost, heir = self.primary, self.replica
        lost.kill()
        self._wait(lambda: self._agreed_on(heir))
        return heir

    def wait_for_the_replica(self) -> None:
        """Until it has everything that the primary has acknowledged so far."""
        with self.primary.client() as client:
            client.wait(1, int(TIMEOUT * 1000))

    def hand_over(self) -> Node:
        """Let the sentinels swap primary and replica; no server ends meanwhile.

        Clients stay connected to the former primary, whose answers are then those of a replica.
        """
        former, heir = self.primary, self.replica
        self._wait(lambda: self._agreed_on(heir) or self._begin_failover(former))
        self._follow(former, heir)
        self._wait(self._healthy)
        return heir

    def close(self) -> None:
        for server in (*self.sentinels, *self.nodes):
            server.close()

    def _bring_back(self, node: Node) -> None:
        if node.running:
            return
        # A sentinel would make a returning primary a replica by itself, but slowly.
        others = [other.port for other in self.nodes if other is not node and other.role() == "master"]
        node.follows = others[0] if others else None
        node.start()

    def _begin_failover(self, former: Node) -> None:
        """Unless it is under way. A sentinel gives it up if the replica is slow: then it is asked once more."""
        if self.sentinels[0].primary_port() != former.port:
            return
        # A sentinel accepts a replica only some time after its return, and one failover at a time.
        with suppress(redis.ResponseError), self.sentinels[0].client() as client:
            client.execute_command("SENTINEL", "FAILOVER", MASTER_NAME)

    def _follow(self, node: Node, primary: Node) -> None:
        # A sentinel would do it by itself, after eight seconds.
        with node.client() as client:
            client.replicaof("127.0.0.1", primary.port)

    def _reported(self) -> set[int]:
        return {port for sentinel in self.sentinels if (port := sentinel.primary_port()) is not None}

    def _named(self) -> Node | None:
        reported = self._reported()
        return next((node for node in self.nodes if reported == {node.port}), None)

    def _agreed_on(self, node: Node) -> bool:
        return self._reported() == {node.port} and node.role() == "master"

    def _healthy(self) -> bool:
        roles = sorted(node.role() for node in self.nodes)
        return (
            roles == ["connected", "master"]
            and all(one.is_calm() for one in self.sentinels)
            and len(self._reported()) == 1
        )

    def _wait(self, condition: Callable[[], T | None]) -> T:
        deadline = time.monotonic() + TIMEOUT
        while not (met := condition()):
            if time.monotonic() > deadline:
                raise RuntimeError("\n".join(sentinel.log()[-1500:] for sentinel in self.sentinels))
            time.sleep(0.02)
        return met
