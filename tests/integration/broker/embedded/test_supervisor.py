"""A server that was killed or lost its files is replaced. Damaged files are kept, but not needed."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from breakwall.broker.depth import queue_depth
from breakwall.broker.embedded.broker import EmbeddedBroker
from breakwall.broker.embedded.folder import ServerFolder
from breakwall.settings import Settings
from tests.integration.broker.embedded.workers import Worker, servers, wait_for
from tests.integration.publish_fixtures import depth_of, publish_each

FEW_FILES = """
import resource, sys, time
from pathlib import Path
from breakwall.broker.embedded.broker import EmbeddedBroker
from breakwall.broker.embedded.folder import BrokerNotStartedError

resource.setrlimit(resource.RLIMIT_NOFILE, (30, 30))
broker = EmbeddedBroker(Path(sys.argv[1]))
try:
    broker.ensure()
except BrokerNotStartedError as error:
    print(error)
time.sleep(3)  # the start is tried again after two
broker.stop()
"""


def damage(files: Path, how: str) -> None:
    """Damage by a disk, a person or a clean-up job to the files of a broker that does not run."""
    folder = files / "appendonlydir"
    journal, manifest = next(folder.glob("*.incr.aof")), folder / "appendonly.aof.manifest"
    base = next(folder.glob("*.base.*"))
    if how == "manifest is garbage":
        manifest.write_text("nonsense\n")
    elif how == "journal is garbage":
        journal.write_bytes(b"\x00garbage" * 1000)
    elif how == "journal is missing":
        journal.unlink()
    elif how == "base is cut":
        base.write_bytes(base.read_bytes()[:-4])
    elif how == "folder is a file":
        shutil.rmtree(files)
        files.write_text("nonsense")


@pytest.mark.parametrize(
    "how",
    ["manifest is garbage", "journal is garbage", "journal is missing", "base is cut", "folder is a file"],
)
def test_damaged_files_are_kept_and_named_and_it_starts_with_new_ones(
    home: Path, settings: Settings, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    broker = EmbeddedBroker(home)
    broker.ensure()
    publish_each(settings, ["a", "b"])
    broker.stop()
    damage(home / "broker", how)
    broker.ensure()
    try:
        assert depth_of(settings) == 0
        publish_each(settings, ["c"])
        (kept,) = ServerFolder(home).kept()
        (told,) = [record.getMessage() for record in caplog.records if str(kept) in record.getMessage()]
        assert "nothing is lost" in told
        assert kept.exists()
    finally:
        broker.stop()


@pytest.mark.parametrize("gone", ["broker", "broker.sock", "broker/lock"])
def test_files_removed_under_a_running_server_are_made_again(
    broker: EmbeddedBroker, home: Path, settings: Settings, gone: str
) -> None:
    publish_each(settings, ["a"])
    path = home / gone
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert wait_for(lambda: path.exists() and queue_depth(settings) is not None, 60)
    publish_each(settings, ["b"])
    assert len(servers(home)) == 1


def test_a_folder_that_is_removed_under_two_workers_has_one_server_in_the_end(
    home: Path, start_worker: Callable[..., Worker], settings: Settings
) -> None:
    start_worker(), start_worker()
    for number in range(3):
        # Renamed first: a server that just starts writes while its folder is emptied.
        shutil.rmtree((home / "broker").rename(home / f"removed-{number}"), ignore_errors=True)
        assert wait_for(lambda: (home / "broker" / "lock").exists(), 60)
    assert wait_for(lambda: len(servers(home)) == 1 and queue_depth(settings) is not None, 60)
    publish_each(settings, ["a"])


def test_a_folder_with_the_sockets_path_is_kept_and_named(home: Path, settings: Settings) -> None:
    (home / "broker.sock").mkdir()
    broker = EmbeddedBroker(home)
    broker.ensure()
    publish_each(settings, ["a"])
    broker.stop()
    assert [kept.name for kept in ServerFolder(home).kept()] == ["broker.sock.damaged-1"]


def test_damaged_files_are_replaced_right_after_something_with_the_sockets_path(
    home: Path, settings: Settings
) -> None:
    broker = EmbeddedBroker(home)
    broker.ensure()
    publish_each(settings, ["a"])
    broker.stop()
    damage(home / "broker", "manifest is garbage")
    (home / "broker.sock").unlink(missing_ok=True)
    (home / "broker.sock").mkdir()
    broker.ensure()
    publish_each(settings, ["b"])
    broker.stop()
    assert [kept.name for kept in ServerFolder(home).kept()] == ["broker.sock.damaged-1", "broker.damaged-2"]


def test_files_are_not_suspected_if_the_server_may_open_too_few(home: Path, settings: Settings) -> None:
    broker = EmbeddedBroker(home)
    broker.ensure()
    publish_each(settings, ["a"])
    broker.stop()
    ran = subprocess.run(
        [sys.executable, "-c", FEW_FILES, str(home)], capture_output=True, text=True, timeout=60, check=True
    )
    assert "it has run out of file descriptors" in ran.stdout
    assert ServerFolder(home).kept() == []
    broker.ensure()
    assert depth_of(settings) == 1
    broker.stop()


def test_its_owner_restarts_it_when_it_is_killed(
    broker: EmbeddedBroker, home: Path, settings: Settings
) -> None:
    publish_each(settings, ["a", "b"])
    (before,) = servers(home)
    os.kill(before, signal.SIGKILL)
    assert wait_for(lambda: queue_depth(settings) == 2 and servers(home) != [before], 60)


def test_a_socket_file_that_a_killed_server_left_is_no_obstacle(home: Path, settings: Settings) -> None:
    with socket.socket(socket.AF_UNIX) as leftover:
        leftover.bind(str(settings.broker_socket))
    assert queue_depth(settings) is None
    broker = EmbeddedBroker(home)
    broker.ensure()
    assert depth_of(settings) == 0
    broker.stop()


def test_a_server_cut_off_in_the_middle_of_a_write_starts_again(
    broker: EmbeddedBroker, home: Path, settings: Settings
) -> None:
    publish_each(settings, ["a", "b"])
    broker.stop()
    (journal,) = (home / "broker" / "appendonlydir").glob("*.incr.aof")
    journal.write_bytes(journal.read_bytes() + b"*3\r\n$5\r\nLPU")
    broker.ensure()
    assert depth_of(settings) == 2
