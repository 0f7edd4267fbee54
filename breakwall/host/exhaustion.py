"""What a machine can run out of: descriptors, threads, memory, disk. Told apart from all else that fails."""

from __future__ import annotations

import errno
import logging
import os
import resource
import sqlite3
import threading
import time
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

log = logging.getLogger("breakwall.machine")

DESCRIPTORS = "file descriptors"
THREADS = "threads"
MEMORY = "memory"
DISK = "disk space"

SHORTAGES = (OSError, MemoryError, RuntimeError)
"""The kinds of error that a shortage comes as; `lack_of` says which of them is one."""

REPEAT = 60.0
"""Seconds until the same shortage is said again."""

CALM = 10.0
"""Seconds without a shortage after which it is over: with many threads one fails and the next gets what it wants."""

RELIEF = 1.0
"""Seconds until idle connections are closed again for want of descriptors."""

_BY_NUMBER = {
    errno.EMFILE: DESCRIPTORS,
    errno.ENFILE: DESCRIPTORS,
    errno.ENOMEM: MEMORY,
    errno.ENOSPC: DISK,
    errno.EDQUOT: DISK,
    errno.EFBIG: DISK,  # `ulimit -f`
    errno.EAGAIN: "processes or threads",  # a fork's; no socket of ours is non-blocking
}

NEARLY_NONE = 16
"""Descriptors: where so few are left, others may have had the rest a moment ago."""

_OF_THE_SERVER = "FATAL:"
_SAYS_NOTHING = ("no error details available", "failed to resolve host")

_BY_SQLITE_CODE = {sqlite3.SQLITE_FULL: DISK, sqlite3.SQLITE_NOMEM: MEMORY}
_SQLITE_DOES_NOT_SAY = {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR}


def lack_of(error: BaseException, file: str | None = None) -> str | None:
    """What this process has none left of, in words, where that is why ``error`` came; else None.

    Args:
        file: the SQLite database that it is about, for what SQLite itself does not say.
    """
    cause: BaseException | None = error
    while cause is not None:
        if (found := _named(cause, file)) is not None:
            return found
        cause = cause.__cause__
    return None


def _named(error: BaseException, file: str | None) -> str | None:
    known: str | None = getattr(error, "lack", None)  # a `DatabaseUnavailableError` has been asked before
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
    # What the server says is of its own machine.
    if _OF_THE_SERVER in text:
        return None
    if "out of memory" in text:
        return MEMORY
    if any(os.strerror(number) in text for number in (errno.EMFILE, errno.ENFILE)):
        return DESCRIPTORS
    # Without a descriptor for the socket libpq says nothing at all, and a host's name is just not found.
    silent = any(words in text for words in _SAYS_NOTHING)
    return DESCRIPTORS if silent and _descriptors_are_short() else None


def _descriptors_are_short() -> bool:
    try:
        used = len(list(Path("/dev/fd").iterdir()))
    except OSError as error:
        return _BY_NUMBER.get(error.errno or 0) == DESCRIPTORS
    # Others may have given theirs back since.
    return used + NEARLY_NONE >= resource.getrlimit(resource.RLIMIT_NOFILE)[0]


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
    # No question takes a descriptor: what is there, and cannot be opened, lacks one.
    may = all(_may_be_opened(file + ending) for ending in ("", "-wal", "-shm")) and os.access(folder, os.W_OK)
    return DESCRIPTORS if may and code == sqlite3.SQLITE_CANTOPEN else None


def _may_be_opened(path: str) -> bool:
    """Whether it is a file that this process may use; one that is missing may be made, but for the database."""
    if not os.path.lexists(path):
        return path.endswith(("-wal", "-shm"))
    return os.path.isfile(path) and os.access(path, os.R_OK | os.W_OK)  # noqa: PTH113


class Keeper(Protocol):
    """Keeps connections open for later use."""

    def close_idle(self) -> None:
        """Close those that nobody uses now; later ones are opened as they are needed. Safe for threads."""
        ...


_keepers: weakref.WeakSet[Keeper] = weakref.WeakSet()
_relieved_at = float("-inf")


def remember(keeper: Keeper) -> None:
    """Have its idle connections be closed when this process has no descriptors left."""
    _keepers.add(keeper)


def relieve(error: BaseException | None) -> None:
    """Where ``error`` came for want of descriptors, close what this process only keeps for later.

    Otherwise one part of it would wait for ever for what another one keeps and does not use.
    """
    global _relieved_at
    while error is not None and lack_of(error) != DESCRIPTORS:
        error = error.__context__
    now = time.monotonic()
    if error is None or now - _relieved_at < RELIEF:
        return
    _relieved_at = now
    for keeper in list(_keepers):
        keeper.close_idle()


class Lacks:
    """Notes what this process lacks and says it, once in `REPEAT` seconds. Safe for threads.

    Args:
        clock: seconds, monotonic.
        hear: told what is lacking now, and None once nothing is. The hook for a worker's heartbeat.
    """

    def __init__(
        self, clock: Callable[[], float], *, hear: Callable[[str | None], None] = lambda lack: None
    ) -> None:
        self._clock = clock
        self._hear = hear
        self._lock = threading.Lock()
        self._now: str | None = None
        self._at = self._said_at = 0.0

    def report(self, lack: str) -> None:
        """There is no ``lack`` left, now."""
        with self._lock:
            at = self._clock()
            news = lack != self._now or at - self._said_at >= REPEAT
            self._now, self._at = lack, at
            if news:
                self._said_at = at
        self._hear(lack)
        if news:
            log.warning(
                "this process has no %s left; it goes on as far as it can, and as soon as it can", lack
            )

    def enough(self) -> None:
        """Something went well that takes what may be lacking."""
        if self._now is None:
            return
        with self._lock:
            if self._now is None or self._clock() - self._at < CALM:
                return
            was, self._now = self._now, None
        self._hear(None)
        log.warning("this process has %s again", was)
