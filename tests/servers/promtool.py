"""Prometheus' own tool, which checks rules and tests alerts: from the path, or out of Debian's package."""

import fcntl
import shutil
import tempfile
from pathlib import Path

from tests.servers.packages import INSTALL_TIMEOUT, run
from tests.servers.server import UnavailableError

_UNPACKED = Path(tempfile.gettempdir()) / "breakwall-promtool"


def promtool() -> Path:
    """The program. The package is unpacked, not installed: no server begins to run. Raises `UnavailableError`."""
    if found := shutil.which("promtool"):
        return Path(found)
    _UNPACKED.mkdir(exist_ok=True)
    unpacked = _UNPACKED / "usr/bin/promtool"
    with (_UNPACKED / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not unpacked.exists():
            _unpack()
    return unpacked


def _unpack() -> None:
    try:
        with tempfile.TemporaryDirectory() as folder:
            run(["sh", "-c", f"cd {folder} && apt-get download -qq prometheus"], timeout=INSTALL_TIMEOUT)
            (package,) = Path(folder).glob("prometheus_*.deb")
            run(["dpkg", "-x", str(package), str(_UNPACKED)], timeout=INSTALL_TIMEOUT)
    except (RuntimeError, ValueError) as error:
        raise UnavailableError(f"promtool cannot be had: {error}") from error
