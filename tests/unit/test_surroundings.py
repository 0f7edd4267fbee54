"""The tests make the surroundings that they need, also where they are started in others."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

SLEEPER = """
import resource, time
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
print(flush=True)
time.sleep(60)
"""
BACKGROUND = 'trap "" INT QUIT; exec "$@"'
"""How a script starts a background job: it does not hear of Ctrl-C, and neither does whoever it starts."""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGQUIT])
def test_what_a_test_starts_can_be_interrupted(number: signal.Signals) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", SLEEPER], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as child:
        assert child.stdout is not None
        child.stdout.readline()
        try:
            child.send_signal(number)
            assert child.wait(10) == -number
        finally:
            child.kill()


@pytest.mark.parametrize("workers", ["0", "1"])
def test_it_can_be_so_in_a_background_job_too(workers: str) -> None:
    here = f"{__file__}::{test_what_a_test_starts_can_be_interrupted.__name__}"
    line = [sys.executable, "-m", "pytest", "-q", "-n", workers, "-p", "no:cacheprovider", here]
    ran = subprocess.run(["sh", "-c", BACKGROUND, "sh", *line], capture_output=True, timeout=90, check=False)
    assert ran.returncode == 0, ran.stdout.decode()
