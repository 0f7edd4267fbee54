"""SQLite's file, which somebody may take away while it is in use.

SQLite goes on writing into a file that was removed or replaced under it, and nobody finds what it writes there. So each
connection knows which files it has open, and they are compared with those at the path.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import URL, Engine, event
from sqlalchemy.exc import DisconnectionError

from breakwall.host.private_files import make_file

Marks = tuple[tuple[int, int] | None, ...]
"""Device and inode of the database, of its log and of its index; None for one that is not there."""


class SqliteFile:
    """The file of a database, as it is at its path now.

    Attributes:
        path: where it is.
        known: it has been opened there, so that it is not made when it is missing.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.known = False

    def marks(self) -> Marks:
        return tuple(_mark(self.path + ending) for ending in ("", "-wal", "-shm"))

    def mark(self) -> tuple[int, int] | None:
        """Of the database alone; None where it is missing."""
        return _mark(self.path)

    def what_happened(self, opened: Marks) -> str | None:
        """In words, if what was opened is not what is there now. As many files are compared as there are marks."""
        if opened == (now := self.marks()):
            return None
        for ending, before, after in zip(("", "-wal", "-shm"), opened, now, strict=False):
            if before is not None and before != after:
                return f"{self.path}{ending} was {'removed' if after is None else 'replaced'} while it was in use"
        return None


def file_of(url: URL) -> SqliteFile | None:
    """The file that the URL names; None for another database, or one in memory."""
    if url.get_backend_name() != "sqlite" or not url.database or url.database == ":memory:" or url.query:
        return None
    # As the driver reads it, once and for all: a process may change its working folder.
    return SqliteFile(os.path.abspath(url.database))  # noqa: PTH100 - a link may be given another target


def watch(engine: Engine, file: SqliteFile, *, log: bool = True) -> None:
    """Have the engine's connections notice when they are used that ``file`` is not the one any more that they have
    open. To be called after what prepares a connection is listening, for that opens the files.

    Args:
        log: notice it of the files beside it, too. Not for who keeps a connection in the child of a fork: there SQLite
            believes that it has the parent's locks, so that the parent, when it ends, takes these files away.
    """

    @event.listens_for(engine, "do_connect")
    def open_file(dialect: object, record: object, args: list[Any], options: dict[str, Any]) -> None:
        if file.known:
            # Another file is for whoever prepares the database to make.
            args[0], options["uri"] = f"file:{quote(file.path)}?mode=rw", True
        else:
            make_file(Path(file.path))

    @event.listens_for(engine, "connect")
    def opened(connection: object, record: Any) -> None:
        record.info["files"] = file.marks() if log else (file.mark(),)
        file.known = True

    @event.listens_for(engine, "checkout")
    def is_it_still_there(connection: object, record: Any, proxy: object) -> None:
        if file.what_happened(record.info["files"]):
            raise DisconnectionError


def _mark(path: str) -> tuple[int, int] | None:
    try:
        found = os.stat(path)  # noqa: PTH116 - three times as fast, at each transaction
    except OSError:
        return None
    return found.st_dev, found.st_ino
