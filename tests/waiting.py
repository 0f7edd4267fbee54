"""Waiting for what other threads and processes do."""

import time
from collections.abc import Callable


def comes_true(condition: Callable[[], object], seconds: float = 60.0, *, look_every: float = 0.01) -> bool:
    """Wait until ``condition()`` is true, at most so many seconds; whether it is."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(look_every)
    return True


def wait_until(condition: Callable[[], object], seconds: float = 60.0, *, look_every: float = 0.01) -> None:
    """Wait until ``condition()`` is true; fail after so many seconds."""
    assert comes_true(condition, seconds, look_every=look_every), f"it did not happen within {seconds:g} s"
