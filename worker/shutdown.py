"""How a worker ends that is told to hurry: by a second Ctrl-C, or by SIGQUIT."""

from __future__ import annotations

import functools
import logging
import os
import signal
from types import FrameType

log = logging.getLogger("breakwall.worker")


@functools.cache  # once: it is said for each payment in hand
def hurry() -> None:
    """Say what is waited for, and have the next signal end the process at once.

    Celery would kill the threads that charge, and cannot. A call in hand ends by its time-out; one that is cut off
    is as a crash, which the next worker settles.
    """
    log.warning(
        "ending: payments that are in hand end by their time-out. Another Ctrl-C ends at once; the next worker "
        "settles them then"
    )
    for number in (signal.SIGINT, signal.SIGQUIT):
        signal.signal(number, _end_at_once)


def _end_at_once(number: int, frame: FrameType | None) -> None:
    os._exit(128 + number)
