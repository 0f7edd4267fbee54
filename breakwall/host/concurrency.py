"""Whether gevent or eventlet has patched this process so that Breakwall would hang in it.

Both replace the standard library's threads, locks and sockets. gevent's work if gevent patches before Breakwall is
imported. An object that was created before the patch waits for ever, because its thread never runs.
"""

import sys

# The modules of the standard library that Breakwall waits with.
REPLACED = ("threading", "queue", "socket", "select", "time")


class HostError(RuntimeError):
    """Breakwall would hang in this process. The message says what to do."""


def _patched_by_gevent() -> tuple[str, ...]:
    monkey = sys.modules.get("gevent.monkey")
    return () if monkey is None else tuple(name for name in REPLACED if monkey.is_module_patched(name))


_AT_IMPORT = _patched_by_gevent()


def check_host() -> None:
    """Raise `HostError` if gevent has patched after Breakwall was imported, or eventlet at any time. Takes 1 µs."""
    if _patched_by_gevent() != _AT_IMPORT:
        raise HostError(
            "gevent has patched this process after Breakwall was imported, so calls would hang: "
            "call gevent.monkey.patch_all() before anything imports breakwall, producers or worker; "
            "with gunicorn -k gevent, leave --preload out"
        )
    eventlet = sys.modules.get("eventlet.patcher")
    if eventlet is not None and any(map(eventlet.is_monkey_patched, ("socket", "thread"))):
        raise HostError(
            "eventlet has patched this process, and removes select.poll, which Breakwall waits with: "
            "use threads or gevent instead"
        )
