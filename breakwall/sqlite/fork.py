"""A fork waits until nobody in this process is inside SQLite.

SQLite keeps in memory, for the whole process, which locks its connections hold on a file. A child that is forked while
another thread is inside a transaction inherits that memory and not the thread: for that child the file stays locked
for good, or it waits for ever for a mutex. It takes no lock of its own that a fork could leave held. A host that
forks without a word to the interpreter (uWSGI) does so before it serves.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

PATIENCE = 6.0
"""Seconds that a fork waits: a transaction waits 5 for a lock at most."""

PAUSE = 0.001
"""Seconds between two looks."""

_inside: dict[int, int] = {}
"""How deep each thread is inside."""

_forking: set[int] = set()
"""Threads that are about to fork."""


@contextmanager
def inside_sqlite(file: object | None) -> Iterator[None]:
    """What is done to ``file`` within is not cut in two by a fork. May be nested; None is no file of SQLite's."""
    if file is None:
        yield
        return
    me = threading.get_ident()
    depth = _inside.get(me, 0)
    _come_in(me, depth)
    try:
        yield
    finally:
        if depth:
            _inside[me] = depth
        else:
            _inside.pop(me, None)


def _come_in(me: int, depth: int) -> None:
    # Said before it is looked: of a thread that comes in and one that forks, one sees the other.
    _inside[me] = depth + 1
    while _forking and not depth:
        _inside.pop(me, None)
        time.sleep(PAUSE)
        _inside[me] = 1


def _wait_for_others() -> None:
    me = threading.get_ident()
    _forking.add(me)
    end = time.monotonic() + PATIENCE
    while any(other != me for other in list(_inside)) and time.monotonic() < end:
        time.sleep(PAUSE)


def _go_on() -> None:
    _forking.discard(threading.get_ident())


def _be_alone() -> None:
    _forking.clear()
    me = threading.get_ident()
    for other in [thread for thread in _inside if thread != me]:
        del _inside[other]


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_wait_for_others, after_in_parent=_go_on, after_in_child=_be_alone)
