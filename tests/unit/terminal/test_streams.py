"""A server continues without a stdout that cannot be written, and detects that without writing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from breakwall.terminal import streams

SCRIPT = """
import sys
from breakwall.terminal.streams import serve_without_stdout
serve_without_stdout(thorough=True)
print("said", flush=True)
"""


def serve(stdout: int) -> str:
    """Run a server that writes one line; returns its warning."""
    ran = subprocess.run(
        [sys.executable, "-c", SCRIPT], stdout=stdout, stderr=subprocess.PIPE, timeout=60, check=True
    )
    return ran.stderr.decode()


def test_what_is_said_is_all_that_a_file_holds(tmp_path: Path) -> None:
    with (tmp_path / "out").open("wb") as out:
        assert serve(out.fileno()) == ""
    assert (tmp_path / "out").read_bytes() == b"said\n"


def test_what_is_said_is_all_that_comes_through_a_pipe() -> None:
    reading, writing = os.pipe()
    warned = serve(writing)
    os.close(writing)
    with os.fdopen(reading, "rb") as read:
        assert (warned, read.read()) == ("", b"said\n")


def test_it_continues_without_an_unread_pipe() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        assert "stdout cannot be written (Broken pipe)" in serve(writing)
    finally:
        os.close(writing)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_it_continues_without_a_full_device() -> None:
    with Path("/dev/full").open("wb", buffering=0) as full:
        assert "stdout cannot be written (No space left on device)" in serve(full.fileno())


@pytest.mark.parametrize(("blocks", "free", "full"), [(9, 0, True), (9, 1, False), (0, 0, False)])
def test_a_disk_is_full_that_has_blocks_and_none_free(blocks: int, free: int, full: bool) -> None:
    disk = os.statvfs_result((4096, 4096, blocks, free, free, 0, 0, 0, 0, 255))
    assert streams._is_full(disk) is full
