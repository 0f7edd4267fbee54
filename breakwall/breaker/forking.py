"""Notices that this process was forked from another, and resets what must not be shared.

A child inherits locks that no thread there will release, threads that do not run, sockets that its parent still uses,
and counts that the parent will report. Python has a hook for its own forks, but a host that is written in C (uWSGI) may
fork without it. So the process id is compared too, before anything inherited is used. Only the fast path does not
compare it, because a call would take a quarter longer: after a fork without the hook, the child uses its parent's copy
until the next refresh, and does not report the successes of that time.
"""

import os
import threading
import weakref
from typing import Protocol


class Forked(Protocol):
    def after_fork(self) -> None:
        """In a forked child: begin anew, and use nothing of the parent's."""


_remembered: weakref.WeakSet[Forked] = weakref.WeakSet()
_process = os.getpid()
# One for each process id, because the parent's may have been held at the moment of the fork.
_noticing: dict[int, threading.RLock] = {}


def remember(something: Forked) -> None:
    """Call ``something.after_fork`` in each forked child."""
    _remembered.add(something)


def notice() -> None:
    """After a fork, call each remembered ``after_fork``. Must be called before anything remembered is used.

    Takes a tenth of a microsecond if the process was not forked.
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
