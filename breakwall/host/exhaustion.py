"""Which resource is exhausted (descriptors, threads, memory, disk), found from an error, and the log of it."""

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

# The classes of errors that exhaustion raises. `exhausted_resource` finds whether such an error is one.
EXHAUSTION_ERRORS = (OSError, MemoryError, RuntimeError)

_BY_NUMBER = {
    errno.EMFILE: DESCRIPTORS,
    errno.ENFILE: DESCRIPTORS,
    errno.ENOMEM: MEMORY,
    errno.ENOSPC: DISK,
    errno.EDQUOT: DISK,
    errno.EFBIG: DISK,  # `ulimit -f`
    errno.EAGAIN: "processes or threads",  # from a fork; none of our sockets is non-blocking
}

_NEARLY_NONE = 16  # Free descriptors. Other threads may have used more of them a moment ago.

_SAID_BY_SERVER = "FATAL:"
_SAYS_NOTHING = ("no error details available", "failed to resolve host")
_BY_SQLITE_CODE = {sqlite3.SQLITE_FULL: DISK, sqlite3.SQLITE_NOMEM: MEMORY}
_SQLITE_DOES_NOT_SAY = {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR}

# Seconds without a failure after which exhaustion is over: one thread may succeed while others still fail.
CALM = 10.0


def exhausted_resource(error: BaseException, file: str | None = None) -> str | None:
    """The name of the exhausted resource that caused ``error``; None for any other cause.

    ``file`` is the SQLite database in use: for some errors SQLite does not give the cause.
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
    # CPython has no class for it.
    return THREADS if isinstance(error, RuntimeError) and "start new thread" in str(error) else None


def _named_by_libpq(text: str) -> str | None:
    # A message of the server is about the server's machine.
    if _SAID_BY_SERVER in text:
        return None
    if "out of memory" in text:
        return MEMORY
    if any(os.strerror(number) in text for number in (errno.EMFILE, errno.ENFILE)):
        return DESCRIPTORS
    # Without a descriptor for its socket, libpq gives no reason, or says that it cannot find the host.
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
    folder = os.path.dirname(file) or "."  # noqa: PTH120 - cannot fail itself
    try:
        if os.statvfs(folder).f_bavail == 0:
            return DISK
    except OSError:
        return None
    # These checks open no file. If the files may be opened and SQLite cannot open them, the cause is a missing
    # descriptor.
    may = all(_may_be_opened(file + ending) for ending in ("", "-wal", "-shm")) and os.access(folder, os.W_OK)
    return DESCRIPTORS if may and code == sqlite3.SQLITE_CANTOPEN else None


def _may_be_opened(path: str) -> bool:
    """Whether this process may open the file. A missing file may be made, except the database."""
    if not os.path.lexists(path):
        return path.endswith(("-wal", "-shm"))
    return os.path.isfile(path) and os.access(path, os.R_OK | os.W_OK)  # noqa: PTH113


class ResourceExhaustion:
    """Knows which resource is exhausted now, and logs it once a minute. Thread-safe.

    ``on_change`` is called with the exhausted resource, and with None when exhaustion is over.
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
        """Record that ``resource`` is exhausted."""
        with self._lock:
            at = self._clock()
            is_new = resource != self._exhausted or at - self._logged_at >= INTERVAL
            self._exhausted, self._at = resource, at
            if is_new:
                self._logged_at = at
        self._on_change(resource)
        if is_new:
            log.warning("this process has no %s left; it continues as far and as soon as it can", resource)

    def report_success(self) -> None:
        """Record a success of work that needs the resource."""
        if self._exhausted is None:
            return
        with self._lock:
            if self._exhausted is None or self._clock() - self._at < CALM:
                return
            was, self._exhausted = self._exhausted, None
        self._on_change(None)
        log.warning("this process has %s again", was)
