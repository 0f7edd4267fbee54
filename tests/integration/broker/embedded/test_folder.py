"""The folder's limits: the socket's path, and how many damaged folders are kept."""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

import pytest

from breakwall.broker.embedded.broker import EmbeddedBroker
from breakwall.broker.embedded.folder import KEPT, BrokerNotStartedError, ServerFolder


def test_three_damaged_folders_are_kept_the_newest(home: Path) -> None:
    folder = ServerFolder(home)
    for number in range(KEPT + 2):
        folder.make()
        (folder.files / "n").write_text(str(number))
        folder.set_aside([folder.files])
    assert [(kept / "n").read_text() for kept in folder.kept()] == ["2", "3", "4"]


def test_a_path_that_is_too_long_for_a_socket_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(BrokerNotStartedError, match=r"BREAKWALL_DATA_DIR to a folder with a shorter path"):
        EmbeddedBroker(tmp_path / ("x" * 100))


def test_the_longest_path_that_is_allowed_works(tmp_path: Path) -> None:
    base = Path(tempfile.mkdtemp(prefix="bw-", dir="/tmp"))
    room = (107 if sys.platform == "linux" else 103) - len(str(base)) - len("//broker.sock")
    broker = EmbeddedBroker(base / ("x" * room))
    try:
        broker.ensure()
    finally:
        broker.stop()
        shutil.rmtree(base)
