"""The stopwatch of the tests' time bounds."""

import os
import subprocess
import sys
import time
from collections.abc import Callable

import pytest

from tests.stopwatch import Stopwatch

on_linux = pytest.mark.skipif(
    sys.platform != "linux", reason="other systems do not count the waiting for a processor"
)


def work(seconds: float) -> None:
    """Compute for so long on the processor's own clock."""
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


@pytest.mark.parametrize("spend", [time.sleep, work])
def test_sleeping_and_computing_count(spend: Callable[[float], None]) -> None:
    """On a busy machine another thread of this process may wait meanwhile, and that is subtracted: then try again."""

    def measured() -> float:
        watch = Stopwatch()
        spend(0.05)
        return watch.seconds

    assert any(measured() > 0.04 for _ in range(20))


@on_linux
def test_waiting_for_a_processor_that_others_have_does_not() -> None:
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
