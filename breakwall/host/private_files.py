"""Makes folders and files that only their owner may read, whatever the umask.

A folder or file that is there already keeps its rights: they are its owner's choice.
"""

import os
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

FOLDER = 0o700
FILE = 0o600

UMASK = 0o077  # For programs that we start, so that what they make is private too.


def make_folder(path: Path) -> None:
    """Make the folder, and those above it that are missing."""
    for missing in reversed([folder for folder in (path, *path.parents) if not folder.exists()]):
        try:
            missing.mkdir(mode=FOLDER)
        except FileExistsError:
            if not missing.is_dir():
                raise
        else:
            # A umask such as 0177 would make the folder useless for its owner.
            missing.chmod(FOLDER)


def make_file(path: Path) -> None:
    """Make an empty file for SQLite, which gives the files beside it the same rights; nothing where there is one.

    Where this fails, SQLite makes the file, or says what is wrong.
    """
    # Not opened: closing it would release the locks that SQLite has on it in this process.
    with suppress(OSError):
        os.mknod(path, FILE)
        os.chmod(path, FILE)  # noqa: PTH101 - as above


def open_private(path: Path | str, mode: str, **options: Any) -> IO[Any]:
    """As `open`; a file that is made is private."""
    return open(path, mode, opener=open_descriptor, **options)


def open_descriptor(path: Path | str, flags: int) -> int:
    """As `os.open`; a file that is made is private."""
    flags |= os.O_CLOEXEC
    if flags & os.O_CREAT:
        with suppress(FileExistsError):
            made = os.open(path, flags | os.O_EXCL, FILE)
            os.fchmod(made, FILE)
            return made
    return os.open(path, flags, FILE)
