"""One Valkey server process on a Unix socket, which holds a lock for as long as it lives.

The lock is the server's own: it inherits the open file. So "the lock is free" means exactly "no server runs
on this folder", however the last one ended, and two processes can never start one each.
"""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from breakwall.broker import child
from breakwall.broker.binary import find_server_program
from breakwall.private import UMASK, make_folder, open_private

LONGEST_SOCKET_PATH = 107 if sys.platform == "linux" else 103
"""Bytes: the size of ``sun_path`` in the system's headers, less the closing zero."""

STOP_TIMEOUT = 5.0
PING_TIMEOUT = 0.5


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
        make_folder(self._home)
        make_folder(self.files)

    def try_lock(self) -> int | None:
        """The lock's open file where no server runs on this folder, else None."""
        lock = os.open(self.files / "lock", os.O_RDWR | os.O_CREAT, 0o600)
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
        with suppress(OSError), socket.socket(socket.AF_UNIX) as asking:
            asking.settimeout(PING_TIMEOUT)
            asking.connect(str(self.socket))
            asking.sendall(b"PING\r\n")
            return asking.recv(16).startswith(b"+PONG")
        return False

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
        how: ``kernel`` or ``pipe`` (see `breakwall.broker.child`).

    Raises:
        NoServerProgramError: there is no server program on this machine.
        OSError: it could not be started.
    """

    def __init__(self, folder: ServerFolder, lock: int, how: str = "") -> None:
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
