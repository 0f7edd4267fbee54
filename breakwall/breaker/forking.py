"""Notices that this process was forked from another, and has whatever must not be shared begin anew.

A child inherits locks that nobody there will ever release, threads that do not run, sockets that its parent
still speaks on, and what the parent has counted and will report itself. The interpreter tells when it has
forked; but a host that is written in C may fork without a word to it (uWSGI does), so the process's own number
is looked at too, wherever something kept is used. Only a call through a closed circuit does not look, since that
alone would cost it a quarter more: until its next refresh such a child goes by its parent's copy, and the
successes of that moment are nobody's.
"""

from __future__ import annotations

import os
import threading
import weakref
from typing import Protocol


class Forked(Protocol):
    def after_fork(self) -> None:
        """In a forked child: begin anew, and leave to the parent what is the parent's."""
        ...


_remembered: weakref.WeakSet[Forked] = weakref.WeakSet()
_process = os.getpid()
# One for each process, by its number: its parent's may have been held at the instant of the fork.
_noticing: dict[int, threading.RLock] = {}


def remember(something: Forked) -> None:
    """Have ``something`` told when it finds itself in a forked child."""
    _remembered.add(something)


def notice() -> None:
    """Be called before anything that was remembered is used: all of it has begun anew when this returns.

    Costs a tenth of a microsecond where nobody has forked.
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
