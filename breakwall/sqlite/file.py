"""Notices that SQLite's file was removed or replaced while it is in use.

SQLite would continue to write into the open file, where no other process finds the data. So each connection remembers
its open files, and they are compared with the files at the path.
"""

import os
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import URL, Engine, event
from sqlalchemy.exc import DisconnectionError

from breakwall.host.private_files import make_file

Mark = tuple[int, int] | None  # Device and inode of a file; None for a missing one.

_SUFFIXES = ("", "-wal", "-shm")  # The database, its log, and the index of the log.


class SqliteFile:
    """The file of a database, as it is at its path now."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._paths = [path + suffix for suffix in _SUFFIXES]
        self.was_opened = False  # If it was, a missing file is not made again.

    def marks(self) -> tuple[Mark, ...]:
        """Of the database and the two files beside it."""
        return tuple([_mark(path) for path in self._paths])

    def mark(self) -> Mark:
        """Of the database alone."""
        return _mark(self.path)

    def describe_change(self, opened: tuple[Mark, ...]) -> str | None:
        """A sentence about a changed file; None if none has changed. Compares as many files as have marks."""
        if opened == (now := self.marks()):
            return None
        for suffix, before, after in zip(_SUFFIXES, opened, now, strict=False):
            if before is not None and before != after:
                return f"{self.path}{suffix} was {'removed' if after is None else 'replaced'} while it was in use"
        return None


def sqlite_file(url: URL) -> SqliteFile | None:
    """The file that the URL names; None for another database or one in memory."""
    if url.get_backend_name() != "sqlite" or not url.database or url.database == ":memory:" or url.query:
        return None
    # Made absolute as the driver does it, but only once: a process may change its working folder.
    return SqliteFile(os.path.abspath(url.database))  # noqa: PTH100 - a link may get another target


def watch_file(engine: Engine, file: SqliteFile, *, log: bool = True) -> None:
    """Have the engine's connections notice at their next use that ``file`` was removed or replaced.

    Call it after the listeners that prepare a connection are registered, because these open the files. ``log``: watch
    the files beside it, too. Not for a program that keeps a connection in a forked child: there SQLite assumes the
    parent's locks, so the parent removes these files when it ends.
    """

    @event.listens_for(engine, "do_connect")
    def open_file(dialect: object, record: object, args: list[Any], options: dict[str, Any]) -> None:
        if file.was_opened:
            # The code that prepares the database makes a new file, not the driver.
            args[0], options["uri"] = f"file:{quote(file.path)}?mode=rw", True
        else:
            make_file(Path(file.path))

    @event.listens_for(engine, "connect")
    def remember_marks(connection: object, record: Any) -> None:
        record.info["files"] = file.marks() if log else (file.mark(),)
        file.was_opened = True

    @event.listens_for(engine, "checkout")
    def compare_marks(connection: object, record: Any, proxy: object) -> None:
        if file.describe_change(record.info["files"]):
            raise DisconnectionError


def _mark(path: str) -> Mark:
    try:
        found = os.stat(path)  # noqa: PTH116 - three times as fast, at each transaction
    except OSError:
        return None
    return found.st_dev, found.st_ino
