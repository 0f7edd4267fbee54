"""A data folder with an embedded broker, and workers that share it."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from breakwall.broker.embedded.broker import EmbeddedBroker
from breakwall.settings import Settings, load_settings
from tests.integration.broker.embedded.workers import Worker
from tests.servers.processes import wait_until_none_is_left


@pytest.fixture
def home() -> Iterator[Path]:
    """A data folder with a short path whose characters must be escaped in a URL."""
    folder = Path(tempfile.mkdtemp(prefix="bw ü%-", dir="/tmp"))
    yield folder
    left = wait_until_none_is_left(folder, 60)
    for process in left:
        os.kill(int(process.split()[0]), signal.SIGKILL)
    shutil.rmtree(folder)
    assert left == []


@pytest.fixture
def settings(home: Path) -> Settings:
    return load_settings({"BREAKWALL_DATA_DIR": str(home)})


@pytest.fixture
def broker(home: Path) -> Iterator[EmbeddedBroker]:
    broker = EmbeddedBroker(home)
    broker.ensure()
    yield broker
    broker.stop()


@pytest.fixture
def start_worker(home: Path) -> Iterator[Callable[[], Worker]]:
    """Starts a worker and returns it when it has the broker, or starts several at once."""
    workers: list[Worker] = []

    def start(*, go: bool = True) -> Worker:
        worker = Worker(home)
        workers.append(worker)
        if go:
            worker.go()
            worker.role()
        return worker

    yield start
    for worker in workers:
        worker.close()
