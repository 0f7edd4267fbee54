"""The embedded broker's folder: socket, lock, files, and damaged files that are kept."""

import fcntl
import os
import shutil
import socket
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from breakwall.errors import BreakwallError
from breakwall.host.private_files import make_folder, open_descriptor
from breakwall.processes.child import end_of

# Bytes: the size of `sun_path` in the system's headers, less the closing zero.
LONGEST_SOCKET_PATH = 107 if sys.platform == "linux" else 103

PING_TIMEOUT = 0.5  # Seconds.

KEPT = 3  # Damaged folders that are kept for a person. The program does not need them.

ROOM = 1_048_576  # Free bytes of disk that a start needs. With fewer it would fail, and its files would be suspected.


class BrokerNotStartedError(BreakwallError):
    """The embedded broker has not started; the message says why and what to do."""

    kind = "no_broker"


class ServerFolder:
    """``broker.sock`` in the data folder ``home``, and the server's files in ``broker/``.

    ``home`` is absolute. Raises `BrokerNotStartedError` if the socket's path would be too long.
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
        """Make the folders that are missing."""
        make_folder(self._home)
        make_folder(self.files)

    @property
    def has_room(self) -> bool:
        """Whether the disk has room for a server's files."""
        there = next(folder for folder in (self._home, *self._home.parents) if folder.exists())
        return shutil.disk_usage(there).free >= ROOM

    @property
    def has_data(self) -> bool:
        """Whether there are files that a server could have failed on."""
        if self.files.is_dir():
            return any(path.name not in ("lock", "log") for path in self.files.iterdir())
        return os.path.lexists(self.files)

    def is_whole(self, lock: os.stat_result) -> bool:
        """Whether the socket exists, and ``lock``, which the server holds, is still this folder's lock file."""
        try:
            return os.path.samestat((self.files / "lock").stat(), lock) and self.socket.is_socket()
        except OSError:
            return False

    def try_lock(self) -> int | None:
        """The open lock file; None if a server runs on this folder."""
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

    # Damaged files

    def obstacles(self) -> list[Path]:
        """What has the folder's or the socket's path, but is no folder or no socket."""
        places = ((self.files, self.files.is_dir()), (self.socket, self.socket.is_socket()))
        return [path for path, usable in places if os.path.lexists(path) and not usable]

    def kept(self) -> list[Path]:
        """The damaged files and folders, the oldest first."""
        found = [*self._home.glob("broker.damaged-*"), *self._home.glob("broker.sock.damaged-*")]
        return sorted((path for path in found if path.name.rpartition("-")[2].isdecimal()), key=_number)

    def set_aside(self, paths: Sequence[Path]) -> list[Path]:
        """Rename ``paths``, so that a server can start, and return the new paths. Of all kept, `KEPT` stay."""
        number = max((_number(path) for path in self.kept()), default=0)
        moved = [path.rename(f"{path}.damaged-{number + 1 + at}") for at, path in enumerate(paths)]
        for old in self.kept()[:-KEPT]:
            _remove(old)
        return moved

    # The server's answers, without a client library

    def answers(self) -> bool:
        """Whether a server answers. Returns at once if none runs."""
        # With a full disk it refuses even this, and continues when there is room.
        return self._ask(b"PING\r\n", 16).startswith((b"+PONG", b"-MISCONF"))

    def speaks(self) -> bool:
        """Whether a server answers anything, even that it still reads its files."""
        return self._ask(b"PING\r\n", 16) != b""

    def says_that_nothing_can_be_written(self) -> bool:
        """Whether a server reports that it cannot write to its disk, so that it takes no messages."""
        return b"aof_last_write_status:err" in self._ask(b"INFO persistence\r\n", 8192)

    def _ask(self, question: bytes, length: int) -> bytes:
        with suppress(OSError), socket.socket(socket.AF_UNIX) as asking:
            asking.settimeout(PING_TIMEOUT)
            asking.connect(str(self.socket))
            asking.sendall(question)
            return asking.recv(length)
        return b""

    def end_of_log(self) -> str:
        """The last lines of the server's log."""
        return end_of(self.log, lines=5)


def _number(kept: Path) -> int:
    return int(kept.name.rpartition("-")[2])


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
