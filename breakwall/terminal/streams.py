"""Makes the standard streams usable if they are closed, full or an unread pipe when a command starts."""

import errno
import os
import select
import stat
import sys
from contextlib import suppress

NAMES = ("stdin", "stdout", "stderr")


def prepare() -> None:
    """Make the three streams usable. A command calls it first.

    Without it, the next file that is opened gets a closed stream's number: a child's output could go into a
    database. Writing data to a closed stdout is an error; writing messages to a closed stderr is not.
    """
    for number, name in enumerate(NAMES):
        if getattr(sys, name) is None:
            stream = _stand_in(number)
            setattr(sys, name, stream)
            setattr(sys, f"__{name}__", stream)  # Celery logs to this one
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            # A character outside the terminal's encoding becomes a question mark, not a traceback.
            stream.reconfigure(errors="replace")


def _stand_in(number: int) -> object:
    # stdout is opened for reading only, so that writing to it fails as on a closed stream.
    found = os.open(os.devnull, os.O_WRONLY if number == 2 else os.O_RDONLY)
    if found != number:
        os.dup2(found, number)
        os.close(found)
    return open(number, "w" if number else "r", closefd=False)


def finish() -> None:
    """Flush stdout, or raise OSError and drop the rest: Python would report it again at exit."""
    try:
        sys.stdout.flush()
    except OSError:
        _drop(1)
        raise


def serve_without_stdout(*, thorough: bool = False) -> None:
    """Let a server continue without a closed stdout; if ``thorough``, also without a full one or an unread pipe."""
    try:
        os.write(1, b"")
        if thorough:
            _check_room(1)
    except OSError as error:
        _drop(1)
        with suppress(OSError):
            sys.stderr.write(f"Warning: stdout cannot be written ({error.strerror}); its output is dropped\n")


def _check_room(number: int) -> None:
    """Raise the OSError that a write would raise, without writing anything that a reader would see."""
    kind = os.fstat(number).st_mode
    if stat.S_ISREG(kind) and _is_full(os.fstatvfs(number)):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    if stat.S_ISCHR(kind) and not os.isatty(number):
        os.write(number, b"\n")  # to /dev/null or /dev/full
    if (stat.S_ISFIFO(kind) or stat.S_ISSOCK(kind)) and _is_unread(number):
        raise OSError(errno.EPIPE, os.strerror(errno.EPIPE))


def _is_full(disk: os.statvfs_result) -> bool:
    free = disk.f_bfree if os.geteuid() == 0 else disk.f_bavail
    return disk.f_blocks > 0 and free == 0  # some file systems report no blocks at all


def _is_unread(number: int) -> bool:
    poll = select.poll()
    poll.register(number, 0)
    return any(events & select.POLLERR for _, events in poll.poll(0))


def _drop(number: int) -> None:
    with suppress(OSError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, number)
        os.close(nowhere)
