"""pytest-celery's nodes on processes of this machine, so that the same tests can run on containers."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pytest_celery import CeleryTestContainer

from tests.servers import Server

TIMEOUT = 60.0


def wait_for(what: str, holds: Callable[[], bool], timeout: float = TIMEOUT) -> None:
    """Poll until something that other processes bring about holds; fail with ``what`` after ``timeout``."""
    deadline = time.monotonic() + timeout
    while not holds():
        if time.monotonic() > deadline:
            raise AssertionError(f"after {timeout:g} s still waiting: {what}")
        time.sleep(0.05)


class ProcessContainer(CeleryTestContainer):
    """What a pytest-celery node asks of a container, over one process with a log file.

    Args:
        name: for messages.
        command: what to run; `start` runs it again after it has ended.
        env: its whole environment.
        folder: its working folder; the log is there too.
        ready_line: what its log says once it is ready.
    """

    def __init__(
        self, name: str, command: list[str], env: Mapping[str, str], folder: Path, ready_line: str
    ) -> None:
        # Not the base's: that one wants a Docker container.
        self._name = name
        self._command = command
        self._env = dict(env)
        self._folder = folder
        self._ready_line = ready_line
        self._log = folder / f"{name}.log"
        self._log_start = 0
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def name(self) -> str:
        return self._name

    @property
    def id(self) -> str:
        return f"{self._name}-{self.pid}"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def status(self) -> str:
        return "running" if self._process is not None and self._process.poll() is None else "exited"

    @property
    def celeryconfig(self) -> dict[str, Any]:
        return {}

    def start(self) -> None:
        self._log.touch()
        self._log_start = self._log.stat().st_size
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, env=self._env, cwd=self._folder, stdout=log, stderr=log, start_new_session=True
            )

    def ready(self) -> bool:
        wait_for(f"{self._name} says {self._ready_line!r}\n{self.logs()}", self._is_ready)
        return True

    def logs(self) -> str:
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    def kill(self, signal: str | int = "SIGKILL") -> None:
        number = _signal(signal)
        os.kill(self.pid, number)
        self._wait()

    def restart(self, timeout: float = TIMEOUT) -> None:
        if self.status == "running":
            self.kill("SIGTERM")
        self.start()
        self.ready()

    def reload(self) -> None:
        """A process has no state elsewhere that could be out of date."""

    def teardown(self) -> None:
        if self.status == "running":
            self.kill("SIGTERM")

    def _is_ready(self) -> bool:
        if self.status != "running":
            raise AssertionError(f"{self._name} ended:\n{self.logs()}")
        return self._ready_line in self._log.read_bytes()[self._log_start :].decode(errors="replace")

    def _wait(self) -> None:
        assert self._process is not None
        try:
            self._process.wait(TIMEOUT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            raise AssertionError(f"{self._name} did not end:\n{self.logs()}") from None


class ServerContainer(CeleryTestContainer):
    """A broker node over one of the tests' own servers."""

    def __init__(self, server: Server, url: str) -> None:
        self._server = server
        self._url = url

    @property
    def name(self) -> str:
        return self._server.name

    @property
    def id(self) -> str:
        return f"{self._server.name}-{self._server.port}"

    @property
    def status(self) -> str:
        return "running" if self._server.running else "exited"

    @property
    def celeryconfig(self) -> dict[str, Any]:
        return {"url": self._url, "host_url": self._url}

    def ready(self) -> bool:
        self._server.ensure_running()
        return True

    def logs(self) -> str:
        return self._server.log()

    def kill(self, signal: str | int = "SIGKILL") -> None:
        self._server.kill() if _signal(signal) == 9 else self._server.stop()

    def restart(self, timeout: float = TIMEOUT) -> None:
        self._server.restart()

    def reload(self) -> None:
        """A server has no state elsewhere that could be out of date."""

    def teardown(self) -> None:
        """The server belongs to the session, not to one test."""


def breakwall(*arguments: str) -> list[str]:
    """The command line as its users run it, under this Python."""
    return [sys.executable, "-m", "breakwall", *arguments]


def celery_worker(*arguments: str) -> list[str]:
    """A worker as Celery's users start it."""
    return [sys.executable, "-m", "celery", "-A", "breakwall.worker", "worker", "--loglevel=INFO", *arguments]


def _signal(name: str | int) -> int:
    return name if isinstance(name, int) else getattr(signal, name)
