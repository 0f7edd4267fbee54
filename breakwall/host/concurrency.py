"""Whether gevent or eventlet has patched this process so that Breakwall would hang in it.

Both replace the standard library's threads, locks and sockets by their own. gevent's serve us if they are there
before we are imported. What was made before and is used afterwards waits for a thread that never runs. Imports
nothing of Breakwall, and neither of the two.
"""

import sys

# The modules of the standard library with which we wait.
REPLACED = ("threading", "queue", "socket", "select", "time")


class HostError(RuntimeError):
    """Breakwall would hang in this process as it is set up. The text says what to do."""


def _patched_by_gevent() -> tuple[bool, ...]:
    monkey = sys.modules.get("gevent.monkey")
    return tuple(monkey is not None and monkey.is_module_patched(name) for name in REPLACED)


_AT_IMPORT = _patched_by_gevent()


def check_host() -> None:
    """Refuse a process in which calls would hang or fail. Takes a microsecond; for each first use in a process.

    Raises:
        HostError: gevent has patched since Breakwall was imported, or eventlet has patched at any time.
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
