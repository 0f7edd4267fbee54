"""Which resource has run out, told from an error: descriptors, threads, memory or disk."""

import errno
import logging
import os
import resource
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path

from breakwall.log_throttle import INTERVAL

log = logging.getLogger("breakwall.machine")

DESCRIPTORS = "file descriptors"
THREADS = "threads"
MEMORY = "memory"
DISK = "disk space"

# The kinds of error in which exhaustion shows; `exhausted_resource` says which of them are it.
EXHAUSTION_ERRORS = (OSError, MemoryError, RuntimeError)

_BY_NUMBER = {
    errno.EMFILE: DESCRIPTORS,
    errno.ENFILE: DESCRIPTORS,
    errno.ENOMEM: MEMORY,
    errno.ENOSPC: DISK,
    errno.EDQUOT: DISK,
    errno.EFBIG: DISK,  # `ulimit -f`
    errno.EAGAIN: "processes or threads",  # a fork's; no socket of ours is non-blocking
}

_NEARLY_NONE = 16  # Descriptors. Where so few are left, other threads may have had the rest a moment ago.

_SAID_BY_SERVER = "FATAL:"
_SAYS_NOTHING = ("no error details available", "failed to resolve host")

_BY_SQLITE_CODE = {sqlite3.SQLITE_FULL: DISK, sqlite3.SQLITE_NOMEM: MEMORY}
_SQLITE_DOES_NOT_SAY = {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR}

# Seconds without exhaustion after which it is over: of many threads one fails while the next gets what it
# wants.
CALM = 10.0


def exhausted_resource(error: BaseException, file: str | None = None) -> str | None:
    """What this process has none left of, in words, where that is why ``error`` came; else None.

    Args:
        file: the SQLite database in use, for the errors whose reason SQLite does not say.
    """
    cause: BaseException | None = error
    while cause is not None:
        if (found := _named(cause, file)) is not None:
            return found
        cause = cause.__cause__
    return None


def _named(error: BaseException, file: str | None) -> str | None:
    known: str | None = getattr(error, "lack", None)  # a `DatabaseUnavailableError` knows it already
    if known is not None:
        return known
    if isinstance(error, MemoryError):
        return MEMORY
    if isinstance(error, sqlite3.Error):
        return _named_by_sqlite(error, file)
    if type(error).__module__.partition(".")[0] == "psycopg" and getattr(error, "sqlstate", None) is None:
        return _named_by_libpq(str(error))
    if isinstance(error, OSError):
        return _BY_NUMBER.get(error.errno or 0)
    # CPython has no class of its own for it.
    return THREADS if isinstance(error, RuntimeError) and "start new thread" in str(error) else None


def _named_by_libpq(text: str) -> str | None:
    # The server's words are about its own machine.
    if _SAID_BY_SERVER in text:
        return None
    if "out of memory" in text:
        return MEMORY
    if any(os.strerror(number) in text for number in (errno.EMFILE, errno.ENFILE)):
        return DESCRIPTORS
    # Without a descriptor for the socket libpq says nothing, or that it cannot find the host.
    silent = any(words in text for words in _SAYS_NOTHING)
    return DESCRIPTORS if silent and _descriptors_are_short() else None


def _descriptors_are_short() -> bool:
    try:
        used = len(list(Path("/dev/fd").iterdir()))
    except OSError as error:
        return _BY_NUMBER.get(error.errno or 0) == DESCRIPTORS
    return used + _NEARLY_NONE >= resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def _named_by_sqlite(error: sqlite3.Error, file: str | None) -> str | None:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code not in _SQLITE_DOES_NOT_SAY or file is None:
        return _BY_SQLITE_CODE.get(code)
    folder = os.path.dirname(file) or "."  # noqa: PTH120 - nothing that may fail itself
    try:
        if os.statvfs(folder).f_bavail == 0:
            return DISK
    except OSError:
        return None
    # These questions take no descriptor. A file that is there, and cannot be opened, is missing one.
    may = all(_may_be_opened(file + ending) for ending in ("", "-wal", "-shm")) and os.access(folder, os.W_OK)
    return DESCRIPTORS if may and code == sqlite3.SQLITE_CANTOPEN else None


def _may_be_opened(path: str) -> bool:
    """Whether it is a file that this process may use; one that is missing may be made, except the database."""
    if not os.path.lexists(path):
        return path.endswith(("-wal", "-shm"))
    return os.path.isfile(path) and os.access(path, os.R_OK | os.W_OK)  # noqa: PTH113


class ResourceExhaustion:
    """Knows what is exhausted now, and logs it, once a minute. Safe for threads.

    Args:
        clock: seconds, monotonic.
        on_change: called with the resource that is exhausted, and with None once nothing is.
    """

    def __init__(
        self, clock: Callable[[], float], *, on_change: Callable[[str | None], None] = lambda resource: None
    ) -> None:
        self._clock = clock
        self._on_change = on_change
        self._lock = threading.Lock()
        self._exhausted: str | None = None
        self._at = self._logged_at = 0.0

    def report(self, resource: str) -> None:
        """There is no ``resource`` left, now."""
        with self._lock:
            at = self._clock()
            is_news = resource != self._exhausted or at - self._logged_at >= INTERVAL
            self._exhausted, self._at = resource, at
            if is_news:
                self._logged_at = at
        self._on_change(resource)
        if is_news:
            log.warning(
                "this process has no %s left; it goes on as far as it can, and as soon as it can", resource
            )

    def report_success(self) -> None:
        """Something went well that needs what may be exhausted."""
        if self._exhausted is None:
            return
        with self._lock:
            if self._exhausted is None or self._clock() - self._at < CALM:
                return
            was, self._exhausted = self._exhausted, None
        self._on_change(None)
        log.warning("this process has %s again", was)
