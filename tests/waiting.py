"""Waiting for what other threads and processes bring about."""

from __future__ import annotations

import time
from collections.abc import Callable


def wait_until(happened: Callable[[], object], seconds: float = 15.0, *, look_every: float = 0.01) -> None:
    """Return once ``happened()`` is true.

    Raises:
        AssertionError: it was not within ``seconds``.
    """
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, f"it did not happen within {seconds:g} s"
        time.sleep(look_every)
