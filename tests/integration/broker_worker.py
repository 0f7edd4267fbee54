"""A real worker process. A message for an unknown order shows that it works: the log names the order."""

import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from breakwall.broker.publisher import Publisher
from breakwall.settings import Settings, load_settings
from breakwall.worker.log.orders import NOTHING_TO_DO

TIMEOUT = 60.0  # Seconds for any step on a busy machine.


def wait_until(condition: Callable[[], bool], timeout: float = TIMEOUT) -> bool:
    """Whether the condition came true in time."""
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.03)
    return True


def times_told_of(name: str, log: str) -> int:
    """In how many lines a worker's log tells of a message for an unknown order. A line may tell of several."""
    return sum(f"(id {name})" in line and NOTHING_TO_DO in line for line in log.splitlines())


class BrokerWorker:
    """`celery -A worker worker` in a folder of its own.

    ``broker`` is a URL, or None for the embedded broker. ``more`` are other settings, without their prefix.
    """

    _numbers = itertools.count()

    def __init__(self, folder: Path, broker: str | None, *options: str, **more: str) -> None:
        self.folder = folder
        self._log = folder / "worker.log"
        given = {f"BREAKWALL_{name}": value for name, value in more.items()}
        given |= {"BREAKWALL_DATA_DIR": str(folder / "data"), "BREAKWALL_LOG__FORMAT": "text"}
        given |= {"BREAKWALL_BROKER_URL": broker} if broker else {}
        self.environ = {**os.environ, **given}
        self.settings: Settings = load_settings(given)
        self.publisher = Publisher(self.settings)
        line = [sys.executable, "-m", "celery", "-A", "worker", "worker", "-l", "INFO", "-c", "4", *options]
        self._started_at = time.monotonic()
        root = Path(__file__).parents[2]
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(line, stdout=log, stderr=log, cwd=root, env=self.environ)

    @property
    def running(self) -> bool:
        return self.process.poll() is None

    def log(self) -> str:
        return self._log.read_text(errors="replace")

    def says(self, text: str, *, times: int = 1, timeout: float = TIMEOUT) -> bool:
        """Whether the log has the text, now or soon."""
        return wait_until(lambda: self.log().count(text) >= times or not self.running, timeout) and (
            self.log().count(text) >= times
        )

    def worked_on(self, name: str, *, times: int = 1) -> bool:
        """Whether it has processed a message for this unknown order, now or soon."""
        return wait_until(lambda: times_told_of(name, self.log()) >= times)

    def works(self, timeout: float = TIMEOUT) -> bool:
        """Whether it processes a message that is sent from now on."""
        name = f"probe-{next(self._numbers)}"
        # Published until the broker takes it, and republished if a failover lost it, as the dispatcher does.
        sent_at = float("-inf")
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline and self.running:
            if time.monotonic() - sent_at > 3 and self.publisher.publish_many([name]):
                sent_at = time.monotonic()
            if times_told_of(name, self.log()):
                return True
            time.sleep(0.05)
        return False

    @property
    def minutes(self) -> int:
        """How many minutes it has run, counting the present one."""
        return 1 + int((time.monotonic() - self._started_at) / 60)

    def freeze(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def close(self) -> int:
        """Ask it to end as an operator would; returns its exit code."""
        self.publisher.close()
        if self.running:
            self.process.terminate()
        try:
            return self.process.wait(TIMEOUT)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()
