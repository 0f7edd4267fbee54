"""A fork waits until no other thread of this process is inside SQLite.

SQLite keeps the locks on a file in the process's memory. A child that is forked during another thread's transaction
inherits that memory, but not the thread: for the child the file stays locked, or it waits for a mutex for ever. This
module uses no lock of its own, because a fork could leave it held. uWSGI forks without the interpreter's knowledge,
so it does not wait; it forks before it serves.
"""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

FORK_TIMEOUT = 6.0  # Seconds that a fork waits. A transaction waits at most 5 for a lock.
POLL_INTERVAL = 0.001  # Seconds between two checks.

_depths: dict[int, int] = {}  # How often each thread has entered, for the threads that are inside.

_forking: set[int] = set()  # Threads that are about to fork.


@contextmanager
def inside_sqlite(file: object | None) -> Iterator[None]:
    """No fork happens during the block, which uses ``file``; None is no SQLite file. May be nested."""
    if file is None:
        yield
        return
    me = threading.get_ident()
    depth = _depths.get(me, 0)
    _enter(me, depth)
    try:
        yield
    finally:
        if depth:
            _depths[me] = depth
        else:
            _depths.pop(me, None)


def _enter(me: int, depth: int) -> None:
    # Written before it is checked: of a thread that enters and one that forks, at least one sees the other.
    _depths[me] = depth + 1
    while _forking and not depth:
        _depths.pop(me, None)
        time.sleep(POLL_INTERVAL)
        _depths[me] = 1


def _wait_for_others() -> None:
    me = threading.get_ident()
    _forking.add(me)
    end = time.monotonic() + FORK_TIMEOUT
    while any(other != me for other in list(_depths)) and time.monotonic() < end:
        time.sleep(POLL_INTERVAL)


def _resume() -> None:
    _forking.discard(threading.get_ident())


def _forget_other_threads() -> None:
    _forking.clear()
    me = threading.get_ident()
    for other in [thread for thread in _depths if thread != me]:
        del _depths[other]


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_wait_for_others, after_in_parent=_resume, after_in_child=_forget_other_threads
    )
