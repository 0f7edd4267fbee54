"""The stopwatch of the tests' time bounds."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import stopwatch
from tests.stopwatch import MOST, Stopwatch

on_linux = pytest.mark.skipif(
    sys.platform != "linux", reason="other systems do not count the waiting for a processor"
)


def work(seconds: float) -> None:
    """Compute for so long on the processor's own clock."""
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


@pytest.fixture
def calm(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The machine's count, for a test to write: nothing has waited yet."""
    count = tmp_path / "pressure"
    monkeypatch.setattr(stopwatch, "PRESSURE", count)
    write(count, 0.0)
    return count


def write(count: Path, seconds: float) -> None:
    """As Linux does it."""
    numbers = "avg10=0.00 avg60=0.00 avg300=0.00"
    count.write_text(f"some {numbers} total={seconds * 1e6:.0f}\nfull {numbers} total=0\n")


@pytest.mark.parametrize("spend", [time.sleep, work])
def test_sleeping_and_computing_count(calm: Path, spend: Callable[[float], None]) -> None:
    """On a busy machine another thread of this process may wait meanwhile, and that is subtracted: then try again."""

    def measured() -> float:
        watch = Stopwatch()
        spend(0.05)
        return watch.seconds

    assert any(measured() > 0.04 for _ in range(20))


def test_the_time_in_which_anything_waited_for_a_processor_does_not(calm: Path) -> None:
    watch = Stopwatch()
    time.sleep(0.3)
    write(calm, 0.1)
    assert watch.lost >= 0.1


def test_but_a_part_of_the_time_always_counts(calm: Path) -> None:
    """However busy the machine is: on one that always is, a bound would otherwise hold nothing."""

    def measured() -> float:
        write(calm, 0.0)
        watch = Stopwatch()
        time.sleep(0.1)
        write(calm, 100.0)
        return watch.seconds

    assert any(measured() >= (1 - MOST) * 0.09 for _ in range(20))


def test_a_machine_that_does_not_count_that_is_taken_for_a_calm_one(calm: Path) -> None:
    calm.unlink()
    assert any(_slept() > 0.04 for _ in range(20))


def _slept() -> float:
    watch = Stopwatch()
    time.sleep(0.05)
    return watch.seconds


@on_linux
def test_waiting_for_a_processor_that_others_have_does_not(calm: Path) -> None:
    """This process shares one processor with two others, so it takes three times as long."""
    everywhere = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(everywhere)})
    others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(2)]
    try:
        time.sleep(0.2)
        began, watch = time.monotonic(), Stopwatch()
        work(0.2)
        seconds, all_in_all = watch.seconds, time.monotonic() - began
    finally:
        for other in others:
            other.kill()
            other.wait()
        os.sched_setaffinity(0, everywhere)
    assert seconds < 0.3 < all_in_all
