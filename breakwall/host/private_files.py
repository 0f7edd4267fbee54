"""Makes folders and files that only their owner may read, for any umask.

An existing folder or file keeps its permissions: they are its owner's choice.
"""

import os
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

FOLDER = 0o700
FILE = 0o600
UMASK = 0o077  # For programs that we start: their files are private too.


def make_folder(path: Path) -> None:
    """Make the folder and the missing ones above it."""
    for missing in reversed([folder for folder in (path, *path.parents) if not folder.exists()]):
        try:
            missing.mkdir(mode=FOLDER)
        except FileExistsError:
            if not missing.is_dir():
                raise
        else:
            # With a umask such as 0177 the owner could not use the folder.
            missing.chmod(FOLDER)


def make_file(path: Path) -> None:
    """Make an empty file for SQLite, unless it exists. SQLite copies its permissions to the files beside it.

    If this fails, SQLite makes the file or reports the cause.
    """
    # Not opened: closing it would release SQLite's locks on it in this process.
    with suppress(OSError):
        os.mknod(path, FILE)
        os.chmod(path, FILE)  # noqa: PTH101 - as above


def open_private(path: Path | str, mode: str, **options: Any) -> IO[Any]:
    """As `open`; a new file is private."""
    return open(path, mode, opener=open_descriptor, **options)


def open_descriptor(path: Path | str, flags: int) -> int:
    """As `os.open`; a new file is private."""
    flags |= os.O_CLOEXEC
    if flags & os.O_CREAT:
        with suppress(FileExistsError):
            made = os.open(path, flags | os.O_EXCL, FILE)
            os.fchmod(made, FILE)
            return made
    return os.open(path, flags, FILE)
