"""One Valkey server process on a Unix socket, which holds a lock for as long as it lives.

The lock is the server's own: it inherits the open file. So "the lock is free" means exactly "no server runs
on this folder", however the last one ended, and two processes can never start one each.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from breakwall.broker.embedded.find_server import find_server_program
from breakwall.host.private_files import UMASK, make_folder, open_descriptor, open_private
from breakwall.processes import child

LONGEST_SOCKET_PATH = 107 if sys.platform == "linux" else 103
"""Bytes: the size of ``sun_path`` in the system's headers, less the closing zero."""

STOP_TIMEOUT = 5.0
PING_TIMEOUT = 0.5

KEPT = 3
"""Damaged folders that are kept, for who wants to know what happened: nothing in them is needed."""

ROOM = 1_048_576
"""Bytes of disk without which no server is started: it would fail, and blame its files."""


class BrokerNotStartedError(Exception):
    """The embedded broker could not be started; the message says why and what to do."""


class ServerFolder:
    """The data folder of one embedded broker: ``broker.sock``, and its files in ``broker/``.

    Args:
        home: Breakwall's data folder, absolute.

    Raises:
        BrokerNotStartedError: the socket's path would be too long.
    """

    def __init__(self, home: Path) -> None:
        self._home = home
        self.socket = home / "broker.sock"
        self.files = home / "broker"
        self.log = self.files / "log"
        length = len(os.fsencode(self.socket))
        if length > LONGEST_SOCKET_PATH:
            raise BrokerNotStartedError(
                f"the path of the embedded broker's socket, {self.socket}, is {length} bytes long and the "
                f"system allows {LONGEST_SOCKET_PATH}: set BREAKWALL_DATA_DIR to a folder with a shorter path"
            )

    def make(self) -> None:
        """Make what is missing.

        Raises:
            OSError: it cannot be made: no room, no right, or something else is in its place.
        """
        make_folder(self._home)
        make_folder(self.files)

    @property
    def has_room(self) -> bool:
        """Whether the disk has room for a server's files."""
        there = next(folder for folder in (self._home, *self._home.parents) if folder.exists())
        return shutil.disk_usage(there).free >= ROOM

    @property
    def has_data(self) -> bool:
        """Whether there is anything that a server could have failed over."""
        if self.files.is_dir():
            return any(path.name not in ("lock", "log") for path in self.files.iterdir())
        return os.path.lexists(self.files)

    def obstacles(self) -> list[Path]:
        """What is in the folder's or the socket's place, and nothing that a server can use."""
        files = [self.files] if os.path.lexists(self.files) and not self.files.is_dir() else []
        return [
            *files,
            *([self.socket] if os.path.lexists(self.socket) and not self.socket.is_socket() else []),
        ]

    def kept(self) -> list[Path]:
        """The damaged folders, the oldest first."""
        found = [*self._home.glob("broker.damaged-*"), *self._home.glob("broker.sock.damaged-*")]
        return sorted((path for path in found if path.name.rpartition("-")[2].isdecimal()), key=_number)

    def set_aside(self, paths: Sequence[Path]) -> list[Path]:
        """Give what is there another name, so that a server can begin anew; returns where it is now.

        The oldest beyond `KEPT` are removed.
        """
        number = max((_number(path) for path in self.kept()), default=0)
        moved = [path.rename(f"{path}.damaged-{number + 1 + at}") for at, path in enumerate(paths)]
        for old in self.kept()[:-KEPT]:
            _remove(old)
        return moved

    def is_whole(self, lock: os.stat_result) -> bool:
        """Whether the lock that a running server holds is still the folder's, and its socket there."""
        try:
            return os.path.samestat((self.files / "lock").stat(), lock) and self.socket.is_socket()
        except OSError:
            return False

    def says_that_nothing_can_be_written(self) -> bool:
        """Whether a server answers that its disk takes nothing, so that it takes no messages."""
        return b"aof_last_write_status:err" in self._ask(b"INFO persistence\r\n", 8192)

    def try_lock(self) -> int | None:
        """The lock's open file where no server runs on this folder, else None."""
        lock = open_descriptor(self.files / "lock", os.O_RDWR | os.O_CREAT)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            return None
        except BaseException:
            os.close(lock)
            raise
        return lock

    def answers(self) -> bool:
        """Whether a server answers on the socket: asked without a client library, at once when none runs."""
        # With its disk full it refuses even this, and goes on when there is room.
        return self._ask(b"PING\r\n", 16).startswith((b"+PONG", b"-MISCONF"))

    def speaks(self) -> bool:
        """Whether a server says anything on the socket, be it that it is still reading its files."""
        return self._ask(b"PING\r\n", 16) != b""

    def _ask(self, question: bytes, length: int) -> bytes:
        with suppress(OSError), socket.socket(socket.AF_UNIX) as asking:
            asking.settimeout(PING_TIMEOUT)
            asking.connect(str(self.socket))
            asking.sendall(question)
            return asking.recv(length)
        return b""

    def end_of_log(self) -> str:
        with suppress(OSError):
            return "\n".join(self.log.read_text(errors="replace").splitlines()[-5:])
        return ""


class Server:
    """The server process, seen from the process that started it.

    To be made by a thread that lives as long as the process: Linux takes that thread's end for the parent's.

    Args:
        folder: where it works.
        lock: from `ServerFolder.try_lock`; handed over to the server.
        how: ``kernel`` or ``pipe`` (see `breakwall.processes.child`).

    Raises:
        NoServerProgramError: there is no server program on this machine.
        OSError: it could not be started.
    """

    def __init__(self, folder: ServerFolder, lock: int, how: str = "") -> None:
        self._lock = os.fstat(lock)
        self._folder = folder
        how = how or ("kernel" if sys.platform == "linux" else "pipe")
        watched, self._held = os.pipe()
        try:
            launcher = [sys.executable, "-I", "-S", child.__file__, how, str(os.getpid()), str(watched)]
            with open_private(folder.log, "wb") as log:
                self._process = subprocess.Popen(  # noqa: S603 - a program that we chose, no shell
                    [*launcher, *_command(folder)],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    cwd=folder.files,
                    umask=UMASK,
                    pass_fds=(lock, watched),
                    # Away from the terminal: its Ctrl-C is for the worker, which needs the broker to finish.
                    start_new_session=True,
                )
        except BaseException:
            os.close(self._held)
            raise
        finally:
            os.close(watched)
            os.close(lock)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    @property
    def has_its_folder(self) -> bool:
        """Whether its files are where they were, and others can find it."""
        return self._folder.is_whole(self._lock)

    @property
    def ended_by_itself(self) -> bool:
        """Whether it has ended, and nobody had it do so."""
        return self._process.poll() not in (None, -signal.SIGKILL, -signal.SIGTERM)

    def kill(self) -> None:
        """End it at once: asked to end, it would remove the socket, which may be another's by now."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self.forget()

    def stop(self) -> None:
        """End it, and return when it has ended."""
        self._process.terminate()
        try:
            self._process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self.forget()

    def forget(self) -> None:
        """Let go of a server that has ended."""
        with suppress(OSError):
            os.close(self._held)


def _number(kept: Path) -> int:
    return int(kept.name.rpartition("-")[2])


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _command(folder: ServerFolder) -> list[str]:
    options = {
        "port": "0",
        "unixsocket": str(folder.socket),
        "unixsocketperm": "700",
        "dir": str(folder.files),
        "daemonize": "no",
        # Each change is handed to the system before it is acknowledged, so a killed server loses nothing.
        # Syncing to disk would be for power cuts, after which the database tells what to publish again.
        "appendonly": "yes",
        "appendfsync": "no",
        "auto-aof-rewrite-min-size": "16mb",
        "save": "",
        "maxmemory-policy": "noeviction",
    }
    program = str(find_server_program())
    return [program, *(part for name, value in options.items() for part in (f"--{name}", value))]
