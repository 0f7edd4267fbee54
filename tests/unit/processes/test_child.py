"""A child ends with the process that started it, for whatever reason that ends. Uses real processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from breakwall.processes.child import Child, end_of
from tests.waiting import wait_until

SLEEPER = [sys.executable, "-c", "import time; time.sleep(600)"]
DEAF = [
    sys.executable,
    "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); time.sleep(600)",
]
HOWS = ["pipe", *(["kernel"] if sys.platform == "linux" else [])]

PARENT = """
import sys, time
from pathlib import Path
from breakwall.processes.child import Child
Child("sleeper", [sys.executable, "-c", "import os, time; print(os.getpid(), flush=True); time.sleep(600)"],
      environment={}, folder=Path.cwd(), how=sys.argv[1])
time.sleep(600)
"""


@pytest.fixture(params=HOWS)
def how(request: pytest.FixtureRequest) -> str:
    """Both ways of ending with the parent."""
    return str(request.param)


@pytest.fixture
def started() -> Iterator[list[Child]]:
    started: list[Child] = []
    yield started
    for child in started:
        child.kill()


def start(started: list[Child], command: list[str], how: str, folder: Path) -> Child:
    child = Child("child", command, environment=os.environ, folder=folder, stdout=subprocess.PIPE, how=how)
    started.append(child)
    return child


def test_a_child_does_not_outlive_a_parent_that_is_killed_with_9(how: str, tmp_path: Path) -> None:
    command = [sys.executable, "-c", PARENT, how]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        sleeper = psutil.Process(int(parent.stdout.readline()))
        assert sleeper.is_running()
        parent.kill()
        wait_until(lambda: not sleeper.is_running() or sleeper.status() == psutil.STATUS_ZOMBIE)


def test_killing_a_child_leaves_nothing_of_it(how: str, tmp_path: Path, started: list[Child]) -> None:
    says_its_pid = [sys.executable, "-c", "import os, time; print(os.getpid(), flush=True); time.sleep(600)"]
    child = start(started, says_its_pid, how, tmp_path)
    assert child.process.stdout is not None
    program = psutil.Process(int(child.process.stdout.readline()))
    child.kill()
    wait_until(lambda: not program.is_running() or program.status() == psutil.STATUS_ZOMBIE)
    assert not child.running


def test_killing_twice_is_once(tmp_path: Path, started: list[Child]) -> None:
    child = start(started, SLEEPER, HOWS[-1], tmp_path)
    child.kill()
    child.kill()
    assert child.how_it_ended == "was killed by SIGKILL"


def test_the_terminals_ctrl_c_does_not_reach_it(tmp_path: Path, started: list[Child]) -> None:
    child = start(started, SLEEPER, HOWS[-1], tmp_path)
    assert os.getpgid(child.pid) != os.getpgid(0)
    assert os.getsid(child.pid) != os.getsid(0)


def test_one_that_is_asked_to_stop_can_do_so_in_its_own_way(
    how: str, tmp_path: Path, started: list[Child]
) -> None:
    polite = "import signal, time; signal.signal(signal.SIGTERM, lambda *_: print('bye', flush=True))"
    child = start(
        started, [sys.executable, "-c", f"{polite}; print('hi', flush=True); time.sleep(1)"], how, tmp_path
    )
    assert child.process.stdout is not None
    assert child.process.stdout.readline() == b"hi\n"
    child.ask_to_stop()
    assert child.process.stdout.readline() == b"bye\n"


def test_stopping_waits_for_one_that_listens_and_kills_one_that_does_not(
    tmp_path: Path, started: list[Child]
) -> None:
    for command, end in ((SLEEPER, -signal.SIGTERM), (DEAF, -signal.SIGKILL)):
        child = start(started, command, HOWS[-1], tmp_path)
        if command is DEAF:
            assert child.process.stdout is not None
            child.process.stdout.readline()
        child.stop(0.5)
        assert child.process.returncode == end


def test_an_end_with_a_code_is_described_with_it(tmp_path: Path, started: list[Child]) -> None:
    child = start(started, [sys.executable, "-c", "raise SystemExit(3)"], HOWS[-1], tmp_path)
    child.process.wait(60)
    assert child.how_it_ended == "ended with code 3"


def test_the_end_of_a_log_is_its_last_lines(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("\n".join(f"line {number}" for number in range(100)))
    assert end_of(log, lines=2) == "line 98\nline 99"
    assert end_of(tmp_path / "none") == ""


SLOW_TO_END = [
    sys.executable,
    "-c",
    "import signal, time; signal.signal(signal.SIGTERM, lambda *_: 0); print(flush=True); time.sleep(1)",
]


def test_a_second_request_to_stop_leaves_no_program_behind(how: str, tmp_path: Path) -> None:
    child = Child("slow", SLOW_TO_END, environment={}, folder=tmp_path, how=how, stdout=subprocess.PIPE)
    assert child.process.stdout is not None
    child.process.stdout.readline()
    running = [child.process.pid, *(one.pid for one in psutil.Process(child.pid).children())]
    child.ask_to_stop()
    wait_until(lambda: child.process.poll() is not None or _has_heard(child), 60)
    child.ask_to_stop()
    child.process.wait(60)
    child.kill()
    wait_until(lambda: not any(map(psutil.pid_exists, running)), 60)


def _has_heard(child: Child) -> bool:
    """Whether a launcher has had the time to wait for its program."""
    return psutil.Process(child.pid).status() == psutil.STATUS_SLEEPING


def test_without_a_folder_it_has_this_process_s_own(
    how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tmp_path / "release"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    child = Child("true", ["/bin/true"], environment={}, folder=None, how=how)
    assert child.process.wait(60) == 0
    child.kill()
