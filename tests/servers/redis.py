"""A private Valkey, from the wheel that Breakwall itself depends on, else from the path."""

from __future__ import annotations

import itertools
from collections import Counter
from pathlib import Path

import redis

from breakwall.broker.embedded.server import NoServerProgramError, find_server_program
from tests.servers.server import Server, UnavailableError, empty_folder, version_of
from tests.servers.workspace import Workspace

DATABASES = 64


def program() -> Path:
    try:
        return find_server_program()
    except NoServerProgramError as error:
        raise UnavailableError(str(error)) from None


class RedisServer(Server):
    """Keeps what it acknowledged over ``kill`` (append-only file); `url` takes a database's number."""

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
        """An empty database that no earlier test has used lately."""
        url = self.url(str(next(self._numbers)))
        with redis.Redis.from_url(url) as client:
            client.flushdb()
        return url

    def commands(self) -> Counter[str]:
        """How often each command was run since the start, on all databases; subtract two to count between."""
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
        options = {
            "bind": "127.0.0.1",
            "port": self.port,
            "dir": self.folder / "data",
            "databases": DATABASES,
            "appendonly": "yes",
            "appendfsync": "no",  # with any other value a write may wait behind a sync, and be lost by a kill
            "save": "",
            "maxmemory-policy": "noeviction",
        }
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

    def _remove_data(self) -> None:
        empty_folder(self.folder / "data")


def describe(found: Path) -> str:
    product = "Valkey" if "valkey" in found.name else "Redis"
    origin = "the wheel" if "site-packages" in found.parts else str(found.parent)
    return f"{product} {version_of(found, '--version')} from {origin}"
