"""A machine with its servers, and on it sites: each with an own database, broker and payment service."""

from __future__ import annotations

import json
import os
import select
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from bench.harness.chart import Chart
from bench.harness.service import PaymentService
from breakwall.processes.child import Child, end_of, python_module
from tests.command import command_line
from tests.environment import prepare
from tests.servers import PostgresServer, RedisServer, Workspace

ROOT = Path(__file__).parents[2]
READY = 60.0  # Seconds at most until a program is ready; on a busy machine it takes some.
ANSWER = 180.0  # Seconds at most until a shop has done what it was told.


class DurablePostgres(PostgresServer):
    """PostgreSQL with settings for payments, unlike in the tests: commits are on the disk, and it has more memory."""

    def _command(self) -> list[str]:
        settings = ("fsync=on", "full_page_writes=on", "shared_buffers=256MB", "max_wal_size=4GB")
        return [*super()._command(), *(part for setting in settings for part in ("-c", setting))]


class Machine:
    """PostgreSQL and Redis, which the scenarios share; each takes an empty database of its own."""

    def __init__(self) -> None:
        prepare()
        self.charts: dict[str, Chart] = {}
        self._stack = ExitStack()
        self.workspace = Workspace()
        self._stack.callback(self.workspace.close)
        self.postgres, self.redis = DurablePostgres(self.workspace), RedisServer(self.workspace)
        self._sites = 0

    def __enter__(self) -> Self:
        for server in (self.postgres, self.redis):
            self._stack.callback(server.close)
            server.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def site(self, *, embedded: bool = False, **settings: object) -> Site:
        """A new site with its ``BREAKWALL_…`` settings. Embedded: on SQLite, with the broker in the worker."""
        self._sites += 1
        folder = self.workspace.subfolder(f"site-{self._sites}")
        return Site(self, folder, embedded, {name: str(value) for name, value in settings.items()})


class Site:
    """The programs of one shop, ours or a peer's. All end with it."""

    def __init__(self, machine: Machine, folder: Path, embedded: bool, settings: dict[str, str]) -> None:
        self.machine, self.folder, self.embedded = machine, folder, embedded
        self._stack, self._programs = ExitStack(), 0
        self.logs: list[Path] = []
        self.redis_url = machine.redis.fresh_url()
        self.database_url = None if embedded else machine.postgres.fresh_url()
        port = machine.workspace.free_port()
        self.service = PaymentService(f"http://127.0.0.1:{port}")
        self.environ = {**os.environ, "PYTHONPATH": str(ROOT), **self._variables(settings)}
        self._start("service", python_module("bench.services.payment", "--port", str(port)))
        self._wait("payment service", self.service.answers)
        if not embedded:
            self.breakwall("db", "upgrade")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()
        if self.database_url is not None:
            self.machine.postgres.drop(self.database_url)

    def breakwall(self, *arguments: str) -> str:
        """Run a command, and return what it has printed."""
        ran = subprocess.run(
            command_line(*arguments),
            env=self.environ,
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
        )
        if ran.returncode != 0:
            raise RuntimeError(f"breakwall {' '.join(arguments)}: {ran.stderr[-2000:]}")
        return ran.stdout

    def worker(self, slots: int, name: str = "w1") -> Child:
        """Start one of our workers; returns before it is ready."""
        return self._start(f"worker-{name}", command_line("worker", "-c", str(slots), "-n", f"{name}@%h"))

    def celery(self, slots: int, name: str = "w1") -> Child:
        """Start a worker of a peer; returns before it is ready."""
        options = ("-P", "threads", "-c", str(slots), "-n", f"{name}@%h")
        quiet = ("--without-gossip", "--without-mingle", "--without-heartbeat")
        command = python_module("celery", "-A", "bench.peers.celery_app", "worker", *options, *quiet)
        return self._start(f"celery-{name}", command)

    def enqueue(self, count: int) -> None:
        """Let so many orders wait. The shop that enqueues them ends."""
        shop = self.shop("breakwall")
        shop.run("enqueue", count=count)
        shop.close()

    def shop(self, contender: str, threads: int = 40, module: str = "bench.shop") -> ShopClient:
        """Start a shop that pays by ``contender``; see `bench.shop`."""
        arguments = json.dumps({"contender": contender, "threads": threads, "url": self.service.url})
        child = self._start(
            f"shop-{contender}",
            python_module(module, arguments),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        return ShopClient(child, self.logs[-1])

    def _variables(self, settings: dict[str, str]) -> dict[str, str]:
        ours = {
            "DATA_DIR": str(self.folder / "data"),
            "PAYMENT_URL": self.service.url,
            "PAYMENT_DEDUPLICATES": "true",
            "LOG__FORMAT": "json",
        }
        if self.database_url is not None:
            ours |= {"DATABASE_URL": self.database_url, "BROKER_URL": self.redis_url}
        variables = {f"BREAKWALL_{name}": value for name, value in {**ours, **settings}.items()}
        peers = {"BENCH_BROKER": self.redis_url, "BENCH_PAYMENT_URL": self.service.url}
        return {**variables, **peers, "PYTHONUNBUFFERED": "1"}

    def _start(self, name: str, command: Sequence[str], **streams: Any) -> Child:
        self._programs += 1
        log = self.folder / f"{self._programs}-{name}.log"
        with log.open("ab") as out:
            child = Child(
                name,
                command,
                environment=self.environ,
                folder=self.folder,
                **{"stdout": out, **streams},
                stderr=out,
            )
        self.logs.append(log)
        self._stack.callback(child.stop, 10.0)
        return child

    def _wait(self, name: str, holds: Callable[[], bool]) -> None:
        deadline = time.monotonic() + READY
        while not holds():
            if time.monotonic() > deadline:
                raise RuntimeError(f"the {name} did not start:\n{end_of(self.logs[-1])}")
            time.sleep(0.02)


class ShopClient:
    """Tells a shop's process what to do, and reads what it has measured.

    ``greeting`` is what it said when it was ready.
    """

    def __init__(self, child: Child, log: Path) -> None:
        self.child, self._log = child, log
        self.greeting = self._read()

    def begin(self, what: str, **options: object) -> None:
        """Tell it to begin; `result` waits for the end."""
        stdin = self.child.process.stdin
        assert stdin is not None
        stdin.write(json.dumps({"do": what, **options}).encode() + b"\n")
        stdin.flush()

    def result(self) -> dict[str, Any]:
        return self._read()

    def run(self, what: str, **options: object) -> dict[str, Any]:
        self.begin(what, **options)
        return self._read()

    def close(self) -> None:
        """End the shop; it does so with its site, too."""
        self.child.stop(10.0)

    def _read(self) -> dict[str, Any]:
        stdout = self.child.process.stdout
        assert stdout is not None
        told = select.select([stdout], [], [], ANSWER)[0]
        line = stdout.readline() if told else b""
        if not line:
            raise RuntimeError(f"the {self.child.name} has ended, or does not answer:\n{end_of(self._log)}")
        document: dict[str, Any] = json.loads(line)
        return document
