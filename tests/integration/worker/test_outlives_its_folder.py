"""A real worker with the embedded broker: its folder may be damaged, full or gone at any moment."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from breakwall.broker.embedded.folder import ServerFolder
from tests.command import Terminal
from tests.integration.broker_worker import BrokerWorker, wait_until
from tests.integration.publish_fixtures import depth_of
from tests.servers import UnavailableError, Workspace
from tests.servers.disk import SmallDisk

SMALL = 16
"""Megabytes."""


@pytest.fixture
def folder() -> Iterator[Path]:
    """With a short path, for the socket's sake."""
    folder = Path(tempfile.mkdtemp(prefix="bw-", dir="/tmp"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def small_disk(workspace: Workspace, folder: Path) -> Iterator[SmallDisk]:
    """The data folder, on a disk of its own that is soon full."""
    try:
        disk = SmallDisk(workspace, folder / "data", SMALL)
    except UnavailableError as error:
        pytest.skip(str(error))
    yield disk
    disk.unmount()


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
    small_disk: SmallDisk, request: pytest.FixtureRequest
) -> None:
    """Full at the start first, then while it works."""
    small_disk.fill()
    worker: BrokerWorker = request.getfixturevalue("worker")
    assert worker.says("there is no room on the disk")
    small_disk.free()
    assert worker.works()
    small_disk.fill()
    assert wait_until(lambda: not worker.publisher.publish_many(["in-vain"]))
    assert doctor(worker) == [(False, "embedded and running, but it cannot write to its disk")]
    assert worker.running
    small_disk.free()
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
    assert depth_of(worker.settings) == 0
