"""New files are for their owner alone, for any umask; existing ones keep their permissions."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from breakwall.broker.embedded.folder import ServerFolder
from breakwall.broker.embedded.server import STOP_TIMEOUT, ValkeyServer
from breakwall.host.private_files import make_folder
from tests.command import Terminal, command_line
from tests.waiting import wait_until


@pytest.fixture(params=[0o000, 0o777], ids=["umask-000", "umask-777"])
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield int(request.param)
    os.umask(before)


def open_to_others(folder: Path) -> dict[str, str]:
    """The files that other users could read, and those that no user could use."""
    found = {path: path.stat().st_mode & 0o777 for path in (folder, *folder.rglob("*"))}
    return {
        str(path): oct(rights)
        for path, rights in found.items()
        if not path.is_socket() and rights != (0o700 if path.is_dir() else 0o600)
    }


def run(terminal: Terminal, *arguments: str) -> None:
    subprocess.run(
        command_line(*arguments),
        cwd=terminal.folder,
        env=terminal.environ,
        check=True,
        capture_output=True,
        timeout=60,
    )


def test_the_data_folder_and_all_that_is_in_it(terminal: Terminal, umask: int) -> None:
    run(terminal, "orders", "place", "--user", "u", "--amount", "1", "--currency", "KRW", "--key", "cart-1")
    assert (terminal.home / "breakwall.db").exists()
    assert open_to_others(terminal.home) == {}


def test_the_simulators_ledger(terminal: Terminal, umask: int) -> None:
    ports = ["--port", "0", "--control-port", "0", "--ledger", "books/charges.db"]
    simulator = command_line("simulator", *ports, "-o", "json")
    with subprocess.Popen(
        simulator, stdout=subprocess.PIPE, cwd=terminal.folder, env=terminal.environ
    ) as process:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["url"]
        found = open_to_others(terminal.folder / "books")
        process.terminate()
    assert found == {}


def test_the_embedded_broker(tmp_path: Path, umask: int) -> None:
    folder = ServerFolder(tmp_path / "home")
    folder.make()
    lock = folder.try_lock()
    assert lock is not None
    server = ValkeyServer(folder, lock)
    try:
        wait_until(folder.answers)
        assert open_to_others(tmp_path / "home") == {}
    finally:
        server.stop(STOP_TIMEOUT)
    assert open_to_others(tmp_path / "home") == {}


def test_a_users_folder_keeps_its_permissions_and_one_within_it_is_private(
    tmp_path: Path, umask: int
) -> None:
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs").chmod(0o755)
    make_folder(tmp_path / "theirs" / "new" / "data")
    rights = [(tmp_path / "theirs" / name).stat().st_mode & 0o777 for name in ("", "new", "new/data")]
    assert rights == [0o755, 0o700, 0o700]
