"""Where the servers of one pytest process live: a temporary folder, free ports, and the reaper."""

import json
import os
import random
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.servers import reaper

# Below the range from which the kernel takes ports for outgoing connections (Linux: from 32768), so that
# nothing grabs a server's port while a test has the server stopped.
PORTS = range(20_000, 32_000)

_given: set[int] = set()


def free_port() -> int:
    """A port of the loopback that is free, and that this process has given to nobody else."""
    while True:
        port = random.SystemRandom().choice(PORTS)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        if port not in _given:
            _given.add(port)
            return port


def _public_folder() -> str:
    """As root, PostgreSQL runs as another user, which must be able to reach the folder: everybody's, not root's own."""
    chosen = tempfile.gettempdir()
    return "/tmp" if os.geteuid() == 0 and not Path(chosen).stat().st_mode & stat.S_ISVTX else chosen


class Workspace:
    """The folder and the reaper that the servers of one pytest process share."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="breakwall-", dir=_public_folder()))
        self.folder.chmod(0o755)
        self._reaper = subprocess.Popen(
            [sys.executable, "-I", reaper.__file__], stdin=subprocess.PIPE, text=True, start_new_session=True
        )
        self._send(f"rm {self.folder}")

    def subfolder(self, name: str) -> Path:
        path = self.folder / name
        path.mkdir()
        return path

    def free_port(self) -> int:
        """See `free_port`."""
        return free_port()

    def started(self, pid: int, how_to_stop: int) -> None:
        """Have the process group ``pid`` stopped when this process ends, however it ends."""
        self._send(f"+{pid} {int(how_to_stop)}")

    def ended(self, pid: int) -> None:
        self._send(f"-{pid}")

    def run_at_the_end(self, command: list[str]) -> None:
        self._send(f"run {json.dumps(command)}")

    def close(self) -> None:
        """Stop what still runs and remove the folder; returns when that is done."""
        if self._reaper.stdin is not None:
            self._reaper.stdin.close()
        try:
            self._reaper.wait(60)
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _send(self, line: str) -> None:
        if self._reaper.stdin is None or self._reaper.poll() is not None:
            raise RuntimeError("the reaper of the test servers is gone")
        self._reaper.stdin.write(line + "\n")
        self._reaper.stdin.flush()
