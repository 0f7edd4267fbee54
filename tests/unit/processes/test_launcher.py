"""The launcher by itself; `test_child` tests it with a parent."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from breakwall.processes import launcher


@pytest.mark.skipif(sys.platform != "linux", reason="a parent-death signal is Linux's")
def test_a_child_whose_parent_died_before_it_could_watch_never_starts_the_program(tmp_path: Path) -> None:
    trace = tmp_path / "started"
    dead_parent, no_pipe = "1", "0"
    command = [
        sys.executable,
        launcher.__file__,
        "kernel",
        dead_parent,
        no_pipe,
        "/bin/touch",
        str(trace),
    ]
    assert subprocess.run(command, check=False).returncode == 1
    assert not trace.exists()
