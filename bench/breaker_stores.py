"""The stores that a benchmark's breakers share: a fresh SQLite file, private PostgreSQL and Valkey servers."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path

# The tests' servers: they come from wheels, listen on loopback and go away with the run.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.servers import PostgresServer, RedisServer, Workspace  # found by the path above

SERVERS = {"postgresql": PostgresServer, "redis": RedisServer}
KINDS = ("sqlite", *SERVERS)


@contextlib.contextmanager
def shared_store(kind: str) -> Iterator[str]:
    """The URL of an empty store of that kind; gone afterwards."""
    workspace = Workspace()
    try:
        if kind == "sqlite":
            yield f"sqlite:///{workspace.subfolder('sqlite') / 'circuits.db'}"
            return
        server = SERVERS[kind](workspace)
        server.start()
        yield server.fresh_url()
    finally:
        workspace.close()
