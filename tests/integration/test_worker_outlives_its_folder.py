"""A real worker with the embedded broker: its folder may be damaged, full or gone at any moment."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from breakwall.broker import queue_depth
from breakwall.broker.server import ServerFolder
from tests.command import Terminal
from tests.integration.broker_worker import BrokerWorker, wait_until

SMALL = "16m"


@pytest.fixture
def folder() -> Iterator[Path]:
    """With a short path, for the socket's sake."""
    folder = Path(tempfile.mkdtemp(prefix="bw-", dir="/tmp"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def small_disk(folder: Path) -> Iterator[Path]:
    """The data folder, on a disk of its own that is soon full."""
    home = folder / "data"
    home.mkdir()
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("a disk that is full: only root may mount one, on Linux")
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SMALL}", "tmpfs", str(home)]
    if subprocess.run(mount, check=False, capture_output=True).returncode != 0:
        pytest.skip("a disk that is full: nothing may be mounted here")
    yield home
    subprocess.run(["umount", "--lazy", str(home)], check=True)


@pytest.fixture
def worker(folder: Path) -> Iterator[BrokerWorker]:
    elsewhere = {"DATABASE_URL": f"sqlite:///{folder / 'orders.db'}", "BREAKER_STORE_URL": "memory://"}
    worker = BrokerWorker(folder, None, **elsewhere)
    terminal = Terminal(folder)
    terminal.environ |= worker.environ
    assert terminal.run("db", "upgrade").code == 0
    yield worker
    assert worker.running, worker.log()
    assert worker.close() == 0, worker.log()


def fill(home: Path) -> Path:
    """Take all the room that there is."""
    big = home / "big"
    with big.open("wb", buffering=0) as file:
        while True:
            try:
                file.write(b"x" * 4096)
            except OSError:
                return big


def doctor(worker: BrokerWorker) -> list[tuple[bool, str]]:
    """What it says of the broker."""
    terminal = Terminal(worker.folder)
    terminal.environ |= worker.environ
    checks = terminal.run("doctor", "-o", "json").document["checks"]
    return [(check["ok"], check["detail"]) for check in checks if check["name"] == "broker"]


def kill_server(worker: BrokerWorker) -> None:
    """As a machine does that has run out of memory; the worker starts another from what is there."""
    for child in psutil.Process(worker.process.pid).children():
        if "valkey" in child.name() or "redis" in child.name():
            child.kill()


def test_a_full_disk_is_said_and_the_worker_goes_on_as_soon_as_there_is_room(
    small_disk: Path, request: pytest.FixtureRequest
) -> None:
    """Full at the start first, then while it works."""
    big = fill(small_disk)
    worker: BrokerWorker = request.getfixturevalue("worker")
    assert worker.says("there is no room on the disk")
    big.unlink()
    assert worker.works()
    big = fill(small_disk)
    assert wait_until(lambda: not worker.publisher.publish("in-vain"))
    assert doctor(worker) == [(False, "embedded and running, but nothing can be written to its disk")]
    assert worker.running
    big.unlink()
    assert worker.works()


def test_a_folder_that_is_removed_or_damaged_under_a_worker_is_begun_anew(worker: BrokerWorker) -> None:
    assert worker.works()
    files = ServerFolder(worker.settings.home).files
    shutil.rmtree(files)
    manifest = files / "appendonlydir" / "appendonly.aof.manifest"
    assert wait_until(manifest.exists)
    assert worker.works()
    manifest.write_text("nonsense")
    kill_server(worker)
    assert worker.works()
    (kept,) = ServerFolder(worker.settings.home).kept()
    assert worker.says(str(kept))
    assert (True, f"damaged files are kept: {kept}") in doctor(worker)
    assert queue_depth(worker.settings) == 0
