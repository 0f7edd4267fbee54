"""How ``pytest -n`` gives the tests to its processes: one module after another, each to the process that is free.

xdist by itself gives a process several hundred tests at once. So one had most of the tests that start programs, and was
at work long after the others. Single tests would cost more: each process that gets one of a module would start the
module's own server or worker anew. The order stays: the longest modules are in the folders that come first.
"""

from __future__ import annotations

import pytest


def by_module(config: pytest.Config, log: object) -> object | None:
    """A scheduler for xdist, unless ``--dist`` asks for one of xdist's own."""
    if config.option.dist != "load":
        return None
    from xdist.scheduler import LoadFileScheduling  # Here: the tests also run without xdist.

    config.option.loadscopereorder = (
        False  # Else the modules with the most tests are first, which are quick ones.
    )
    return LoadFileScheduling(config, log)
