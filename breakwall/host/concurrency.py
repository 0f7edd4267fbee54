"""What hosts this process: whether it lends itself to threads, locks and sockets as ours are.

gevent and eventlet put their own in the place of the standard library's. gevent's serve us if they are there
before we are; what is made before they come and used afterwards waits for a thread that never runs. Imports nothing
of Breakwall, and neither of the two.
"""

from __future__ import annotations

import sys

REPLACED = ("threading", "queue", "socket", "select", "time")
"""What of the standard library we wait with."""


class HostError(RuntimeError):
    """Breakwall cannot run in this process as it is set up: it would hang. The text says what to do."""


def _patched_by_gevent() -> tuple[bool, ...]:
    monkey = sys.modules.get("gevent.monkey")
    return tuple(monkey is not None and monkey.is_module_patched(name) for name in REPLACED)


_AT_IMPORT = _patched_by_gevent()


def check_host() -> None:
    """Refuse a host under which calls would hang or fail. Takes a microsecond; for each first use in a process.

    Raises:
        HostError: gevent has patched since Breakwall was imported, or eventlet has patched at all.
    """
    if _patched_by_gevent() != _AT_IMPORT:
        raise HostError(
            "gevent has patched this process after Breakwall was imported, and what was made before would hang: "
            "call gevent.monkey.patch_all() before anything imports breakwall, producers or worker; "
            "with gunicorn -k gevent, leave --preload out"
        )
    eventlet = sys.modules.get("eventlet.patcher")
    if eventlet is not None and (
        eventlet.is_monkey_patched("socket") or eventlet.is_monkey_patched("thread")
    ):
        raise HostError(
            "eventlet has patched this process, and takes away what Breakwall waits with (select.poll): "
            "use threads, or gevent instead"
        )
