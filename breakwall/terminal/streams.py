"""The standard streams, whatever they are when a command starts: closed, full, a pipe that nobody reads."""

from __future__ import annotations

import errno
import os
import select
import stat
import sys
from contextlib import suppress

NAMES = ("stdin", "stdout", "stderr")


def prepare() -> None:
    """Make the three streams usable; call it first.

    A closed one would be None, and the next file that is opened would get its number. Then a child's words would
    go into a database. Data that has nowhere to go is an error when it is written; words for people are not.
    """
    for number, name in enumerate(NAMES):
        if getattr(sys, name) is None:
            stream = _stand_in(number)
            setattr(sys, name, stream)
            setattr(sys, f"__{name}__", stream)  # Celery logs to that one
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            # A character that the terminal's encoding lacks becomes a question mark rather than a traceback.
            stream.reconfigure(errors="replace")


def _stand_in(number: int) -> object:
    # Writing to what is open for reading fails as writing to what is closed does.
    found = os.open(os.devnull, os.O_WRONLY if number == 2 else os.O_RDONLY)
    if found != number:
        os.dup2(found, number)
        os.close(found)
    return open(number, "w" if number else "r", closefd=False)


def finish() -> None:
    """Write out what is left of the data.

    Raises:
        OSError: it cannot be written. What is left is dropped, or Python would complain about it once more.
    """
    try:
        sys.stdout.flush()
    except OSError:
        _drop(1)
        raise


def serve_without_stdout(*, thorough: bool = False) -> None:
    """For a program that serves: where stdout cannot be written, what it would say there is dropped.

    Args:
        thorough: also where it is full, or a pipe that nobody reads; else only where it is closed.
    """
    try:
        os.write(1, b"")
        if thorough:
            _check_room(1)
    except OSError as error:
        _drop(1)
        with suppress(OSError):
            sys.stderr.write(
                f"Warning: stdout cannot be written ({error.strerror}); what belongs there is dropped\n"
            )


def _check_room(number: int) -> None:
    """Raise the OSError that a write would meet, without a byte that a reader would see."""
    kind = os.fstat(number).st_mode
    if stat.S_ISREG(kind) and _is_full(os.fstatvfs(number)):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    if stat.S_ISCHR(kind) and not os.isatty(number):
        os.write(number, b"\n")  # to nowhere, or to /dev/full
    if (stat.S_ISFIFO(kind) or stat.S_ISSOCK(kind)) and _is_unread(number):
        raise OSError(errno.EPIPE, os.strerror(errno.EPIPE))


def _is_full(disk: os.statvfs_result) -> bool:
    free = disk.f_bfree if os.geteuid() == 0 else disk.f_bavail
    return disk.f_blocks > 0 and free == 0  # some file systems count nothing


def _is_unread(number: int) -> bool:
    poll = select.poll()
    poll.register(number, 0)
    return any(events & select.POLLERR for _, events in poll.poll(0))


def _drop(number: int) -> None:
    with suppress(OSError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, number)
        os.close(nowhere)
