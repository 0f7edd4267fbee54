"""What a forked child must not share with its parent: locks, sockets, threads, and what was counted."""

from __future__ import annotations

import os
import weakref
from typing import Protocol

from breakwall.breaker import link


class Forked(Protocol):
    def after_fork(self) -> None: ...


_remembered: weakref.WeakSet[Forked] = weakref.WeakSet()


def remember(something: Forked) -> None:
    """Have ``something``, a breaker or a registry, told when it finds itself in a forked child."""
    _remembered.add(something)


def _after_fork() -> None:
    link.after_fork()
    for something in list(_remembered):
        something.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
