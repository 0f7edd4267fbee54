"""Notices that this process was forked from another, and resets what must not be shared.

A child inherits locks that nobody there will release, threads that do not run, sockets that its parent still uses, and
counts that the parent will report itself. Python has a hook for its own forks. But a host that is written in C (uWSGI)
may fork without it, so the process's number is compared too, wherever something kept is used. Only the fast path does
not compare it, because that would make a call a quarter slower: until its next refresh such a child uses its parent's
copy, and the successes of that moment are not reported.
"""

import os
import threading
import weakref
from typing import Protocol


class Forked(Protocol):
    def after_fork(self) -> None:
        """In a forked child: begin anew, and leave the parent's things to the parent."""
        ...


_remembered: weakref.WeakSet[Forked] = weakref.WeakSet()
_process = os.getpid()
# One for each process, by its number, because the parent's may have been held at the moment of the fork.
_noticing: dict[int, threading.RLock] = {}


def remember(something: Forked) -> None:
    """Have ``something.after_fork`` called in a forked child."""
    _remembered.add(something)


def notice() -> None:
    """Call this before anything is used that was remembered: all of it has begun anew when this returns.

    Costs a tenth of a microsecond if nobody has forked.
    """
    process = os.getpid()
    if process == _process:
        return
    with _noticing.setdefault(process, threading.RLock()):
        if process != _process:
            _begin_anew(process)


def _begin_anew(process: int) -> None:
    global _process
    for something in list(_remembered):
        something.after_fork()
    # Last, so that a second thread waits until all of it is done.
    _process = process
    for other in [number for number in _noticing if number != process]:
        del _noticing[other]


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=notice)
