"""A process that uses the embedded broker, and the processes in its folder."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tests.servers.processes import processes_of

WORKER = """
import os, signal, sys
from pathlib import Path

import psutil
from breakwall.broker.embedded.broker import EmbeddedBroker

asked_to_stop = []
woken, wake_up = os.pipe()
os.set_blocking(wake_up, False)
signal.set_wakeup_fd(wake_up)  # `signal.pause` would miss a signal that comes just before it
signal.signal(signal.SIGINT, lambda *_: None)
signal.signal(signal.SIGTERM, lambda *_: asked_to_stop.append(1))
broker = EmbeddedBroker(Path(sys.argv[1]))
print("ready", flush=True)
sys.stdin.readline()
broker.ensure()
print("owner" if psutil.Process().children() else "guest", flush=True)
while not asked_to_stop:
    os.read(woken, 1)
broker.stop()
"""


class Worker:
    """A process that uses the broker: `go` lets it start, `owner` is whether the server is its child."""

    def __init__(self, home: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", WORKER, str(home)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert self._line() == "ready"

    def go(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def role(self) -> str:
        return self._line()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        self.process.terminate()
        return self.process.wait(60)

    def close(self) -> None:
        self.kill()
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            pipe.close()

    def _line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()


def servers(home: Path) -> list[int]:
    found = [line.split() for line in processes_of(home)]
    return [int(pid) for pid, name in found if "valkey" in name or "redis" in name]


def wait_for(condition: Callable[[], bool], timeout: float) -> bool:
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True
