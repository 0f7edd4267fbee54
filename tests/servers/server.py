"""What every private server can do: start, stop, be killed, frozen and wiped."""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar, NoReturn

import psutil
import pytest

from tests.servers.workspace import Workspace

START_TIMEOUT = 60.0  # RabbitMQ on a busy two-core machine; the others are up in under a second


class UnavailableError(Exception):
    """This machine cannot run the server; the message says why and what helps."""


def not_available(name: str, why: str) -> NoReturn:
    """Skip the test and name the missing server. In CI a missing server is a failure."""
    if os.environ.get("CI", "").lower() in {"1", "true"}:
        pytest.fail(f"{name}: {why}", pytrace=False)
    pytest.skip(f"{name}: {why}")


class Server(ABC):
    """One private server process, on the same port also after a restart. `start` returns when it answers."""

    name: ClassVar[str]
    stop_signal: ClassVar[signal.Signals] = signal.SIGTERM
    reap_signal: ClassVar[signal.Signals] = signal.SIGKILL

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self.folder = workspace.subfolder(self.name.lower())
        self.port = workspace.free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._user: str | None = None
        self.frozen = False

    @property
    def description(self) -> str:
        """What runs and where it comes from: ``Valkey 9.1.2 from the wheel``."""
        return self.name

    @abstractmethod
    def url(self, name: str = "") -> str:
        """The URL of the database, or virtual host, ``name``."""

    @abstractmethod
    def _command(self) -> list[str]: ...

    @abstractmethod
    def _answers(self) -> bool: ...

    def _remove_data(self) -> None:
        shutil.rmtree(self.folder / "data", ignore_errors=True)

    @property
    def pid(self) -> int:
        """The server's main process."""
        if self._process is None:
            raise RuntimeError(f"{self.name} is not running")
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start it if it does not run, and wait until it answers; `RuntimeError` with its log if it does not."""
        if self.running:
            return
        self._prepare()
        self._process = self._spawn()
        self.workspace.started(self._process.pid, self.reap_signal)
        self._wait_until_it_answers()

    def stop(self) -> None:
        """Stop it as an administrator would; the data stays."""
        if not self.running:
            return
        self.resume()
        assert self._process is not None
        self._process.send_signal(self.stop_signal)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(60)
        self.kill()

    def kill(self) -> None:
        """``kill -9`` for the server and its children; returns when they are gone."""
        if self._process is None:
            return
        family = self._family()
        for member in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                member.kill()
        self._process.wait(60)
        _wait_until(lambda: not any(_alive(member) for member in family))
        self.workspace.ended(self._process.pid)
        self._process = None

    def restart(self) -> None:
        self.stop()
        self.start()

    def pause(self) -> None:
        """Freeze it: connections stay open and nothing answers. Returns when every thread has stopped."""
        self.frozen = True
        family = self._family()
        for member in family:
            member.suspend()
        _wait_until(lambda: all(_frozen(member) for member in family))

    def resume(self) -> None:
        self.frozen = False
        for member in self._family():
            with contextlib.suppress(psutil.NoSuchProcess):
                member.resume()

    def wipe(self) -> None:
        """Lose all data, as after the loss of a disk, and start empty."""
        self.kill()
        self._remove_data()
        self.start()

    def ensure_running(self) -> None:
        """Make it answer, whatever the test before did to it."""
        self.resume()
        self.start()

    def close(self) -> None:
        """End it; the data is not needed any more."""
        self.kill()

    def log(self) -> str:
        path = self.folder / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    @abstractmethod
    def _prepare(self) -> None:
        """Make what must exist before the process starts."""

    def _spawn(self) -> subprocess.Popen[bytes]:
        return self._run_in_background(self._command(), user=self._user)

    def _run_in_background(
        self, command: list[str], env: dict[str, str] | None = None, user: str | None = None
    ) -> subprocess.Popen[bytes]:
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                env=env,
                user=user,
                extra_groups=[] if user else None,
                start_new_session=True,
            )

    def _wait_until_it_answers(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT
        while not self._answers():
            if not self.running or time.monotonic() > deadline:
                tail = "\n".join(self.log().splitlines()[-20:])
                self.kill()
                raise RuntimeError(f"{self.name} did not start. The end of its log:\n{tail}")
            time.sleep(0.02)

    def _family(self) -> list[psutil.Process]:
        if not self.running:
            return []
        try:
            parent = psutil.Process(self.pid)
            return [parent, *parent.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []


def _wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)


def _frozen(process: psutil.Process) -> bool:
    """A signal stops one thread after another; until then a server with many threads may answer once more."""
    tasks = Path(f"/proc/{process.pid}/task")
    if not tasks.exists():
        return bool(process.status() == psutil.STATUS_STOPPED)
    states = [stat.read_text().rpartition(")")[2].split()[0] for stat in tasks.glob("*/stat")]
    return all(state == "T" for state in states)


def _alive(process: psutil.Process) -> bool:
    """Whether it still holds anything. A zombie holds only its number, until the init process collects it."""
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def version_of(program: Path | str, *arguments: str) -> str:
    """The first text that looks like a version in the output of ``program --version``, else ``?``."""
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        answer = subprocess.run(
            [program, *arguments], capture_output=True, text=True, timeout=10, check=False
        )
        found = re.search(r"\d+\.\d+(\.\d+)?", answer.stdout)
        if found:
            return found.group()
    return "?"
