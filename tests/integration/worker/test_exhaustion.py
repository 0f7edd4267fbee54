"""A busy worker that gets a second signal, or whose descriptors and threads are exhausted."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from breakwall.settings import load_settings
from producers import Order, OrderProducer
from tests.acceptance.nodes import wait_for
from tests.acceptance.shop import PaymentService
from tests.command import command_line

TIMEOUT = 60.0

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the limits are Linux's")


class Site:
    """Orders that wait, a payment service, and a worker with limits of its own."""

    def __init__(self, folder: Path, service: PaymentService) -> None:
        self.folder = folder
        self.service = service
        self.log = folder / "worker.log"
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("BREAKWALL_")}
        self.environ = {
            **inherited,
            "BREAKWALL_DATA_DIR": str(folder / "data"),
            "BREAKWALL_PAYMENT_URL": service.url,
            "BREAKWALL_SITE": folder.name,
            "BREAKWALL_DISPATCH__INTERVAL": "0.2",
        }
        self.process: subprocess.Popen[bytes] | None = None

    def enqueue(self, number: int) -> None:
        with OrderProducer.from_settings(load_settings(self.environ)) as producer:
            producer.enqueue(Order("u1", 100, "KRW", f"{self.folder.name}-{n}") for n in range(number))

    def start(self, *options: str, limits: Callable[[], None] | None = None, shell: str = "") -> Any:
        line = [
            "sh",
            "-c",
            f'exec "$@" {shell}',
            "sh",
            *command_line("worker", "--loglevel", "INFO", *options),
        ]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                line, cwd=self.folder, env=self.environ, stdout=log, stderr=log, preexec_fn=limits
            )
        return self.process

    def said(self) -> str:
        return self.log.read_text(errors="replace")

    def charges(self) -> int:
        mine = [key for key in self.service.charges() if key.startswith(f"{self.folder.name}-")]
        return len(mine)

    def close(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PaymentService]:
    running = PaymentService(tmp_path_factory.mktemp("service"))
    running.start()
    yield running
    running.stop()


@pytest.fixture
def site(service: PaymentService) -> Iterator[Site]:
    # A socket's path has to be short.
    with tempfile.TemporaryDirectory(prefix="bw-", dir="/tmp") as folder:
        site = Site(Path(folder), service)
        yield site
        site.close()


@pytest.fixture
def busy(site: Site) -> Iterator[Site]:
    """Its worker has payments in progress that take a moment."""
    site.service.control.set_faults(latency=[4.0, 4.0])
    # As a terminal would: a shell in the background may have it ignored.
    site.start("--concurrency", "2", limits=lambda: _default(signal.SIGINT, signal.SIGQUIT, signal.SIGHUP))
    wait_for("its broker takes messages", lambda: " ready." in site.said(), TIMEOUT)
    site.enqueue(4)
    wait_for("it charges", lambda: site.service.control.stats()["running"] == 2, TIMEOUT)
    yield site
    site.service.control.set_faults(latency=[0.0, 0.0])


def _default(*numbers: signal.Signals) -> None:
    for number in numbers:
        signal.signal(number, signal.SIG_DFL)


@pytest.mark.parametrize("signals", [(signal.SIGINT, signal.SIGINT), (signal.SIGQUIT,)])
def test_a_worker_that_is_told_to_hurry_ends_its_calls_and_says_so(
    busy: Site, signals: tuple[signal.Signals, ...]
) -> None:
    for number in signals:
        busy.process.send_signal(number)
        time.sleep(0.2)  # two of a kind that come at once are one
    wait_for(f"it ends\n{busy.said()}", lambda: busy.process.poll() is not None, TIMEOUT)
    assert busy.process.returncode in {0, 1}  # Celery's, by what it was at; a signal's would be below
    assert "ending: payments in progress" in busy.said()
    assert "Traceback" not in busy.said()
    assert busy.charges() == 2
    # In one line or in two.
    paid = [line for line in busy.said().splitlines() if ": paid" in line]
    assert sum(line.count("(id ") for line in paid) == 2


def test_one_more_signal_ends_it_at_once(busy: Site) -> None:
    for number in (signal.SIGINT, signal.SIGINT):
        busy.process.send_signal(number)
        time.sleep(0.2)
    wait_for("it has said what it waits for", lambda: "Another Ctrl-C" in busy.said(), TIMEOUT)
    busy.process.send_signal(signal.SIGINT)
    # After its payments it would end with 0 or 1.
    assert busy.process.wait(TIMEOUT) == 128 + signal.SIGINT
    assert "Traceback" not in busy.said()


def test_hung_up_a_worker_starts_afresh(busy: Site) -> None:
    busy.process.send_signal(signal.SIGHUP)
    wait_for("it is ready again", lambda: busy.said().count(" ready.") == 2, TIMEOUT)
    assert "Traceback" not in busy.said()


@pytest.fixture(scope="module")
def poor(service: PaymentService) -> Iterator[Site]:
    """A worker with more threads than descriptors, and a full disk behind its stdout; all orders are charged."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    with tempfile.TemporaryDirectory(prefix="bw-", dir="/tmp") as folder:
        site = Site(Path(folder), service)
        site.start(
            *("--concurrency", "60"),
            limits=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard)),
            shell=">/dev/full",
        )
        try:
            wait_for("its broker takes messages", lambda: " ready." in site.said(), TIMEOUT)
            site.enqueue(150)
            wait_for("everything is charged", lambda: site.charges() == 150, 2 * TIMEOUT)
            yield site
        finally:
            site.close()


def test_a_worker_with_fewer_descriptors_than_threads_lets_no_message_go(poor: Site) -> None:
    # The dispatcher would send it again, a minute later.
    assert "is deferred" not in poor.said()


def test_it_does_not_log_the_exhausted_resource_again_and_again(poor: Site) -> None:
    # Mostly nothing is exhausted for longer than it waits. `tests/unit/host` tests that it is logged at all.
    assert poor.said().count("no file descriptors left") <= 2


def test_it_does_without_its_stdout_and_says_so(poor: Site) -> None:
    assert "stdout cannot be written (No space left on device)" in poor.said()
