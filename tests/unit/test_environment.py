"""The tests make the environment that they need, also if they are started in another."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests import environment

SLEEPER = """
import resource, time
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
print(flush=True)
time.sleep(60)
"""
ODD = """
umask 077
trap "" INT QUIT HUP
LC_ALL=C PYTHONUTF8=0 PYTHONCOERCECLOCALE=0 BREAKWALL_DATABASE_URL=nonsense TZ=Asia/Kolkata exec "$@" </dev/null
"""
"""As a background job of a script, without Ctrl-C, for a user with a strict umask and another locale."""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGQUIT, signal.SIGHUP])
def test_what_a_test_starts_can_be_interrupted(number: signal.Signals) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", SLEEPER], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as child:
        assert child.stdout is not None
        child.stdout.readline()
        try:
            child.send_signal(number)
            assert child.wait(60) == -number
        finally:
            child.kill()


def test_what_a_test_writes_is_utf_8_and_can_be_read_by_servers(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("\u00e4\u20ac")
    assert file.read_bytes() == "\u00e4\u20ac".encode()
    assert file.stat().st_mode & 0o777 == 0o644


def test_no_setting_of_a_developers_own_site_is_there() -> None:
    assert not [name for name in os.environ if name.startswith("BREAKWALL_")]


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """What stands for the memory, with room; no folder is chosen."""
    monkeypatch.setattr(environment, "MEMORY", tmp_path)
    monkeypatch.setattr(environment, "ENOUGH", 0)
    monkeypatch.setattr(tempfile, "tempdir", "/elsewhere")
    monkeypatch.setenv("TMPDIR", "to be restored")
    monkeypatch.delenv("TMPDIR")
    return tmp_path


def chosen() -> str:
    environment.prepare()
    return tempfile.gettempdir()


def test_temporary_files_are_in_memory_for_children_too(folder: Path) -> None:
    assert chosen() == os.environ["TMPDIR"] == str(folder)


def test_temporary_files_stay_where_somebody_wants_them(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", "/elsewhere")
    assert chosen() == "/elsewhere"


def test_temporary_files_do_not_fill_a_small_memory(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "ENOUGH", 1_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=999))
    assert chosen() == "/elsewhere"
    assert "TMPDIR" not in os.environ


def test_temporary_files_are_where_programs_may_run(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "statvfs", lambda path: SimpleNamespace(f_flag=os.ST_NOEXEC))
    assert chosen() == "/elsewhere"


def test_all_of_that_holds_wherever_the_tests_are_started() -> None:
    line = [sys.executable, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", __file__]
    these = ["-k", "not wherever"]
    ran = subprocess.run(["sh", "-c", ODD, "sh", *line, *these], capture_output=True, timeout=90, check=False)
    assert ran.returncode == 0, ran.stdout.decode()
