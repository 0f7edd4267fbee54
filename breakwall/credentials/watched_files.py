"""Files with secrets that other programs replace while we run: read again when they change.

A secrets manager writes a new file over the old one, renames it there, or swaps a symbolic link in its path, as
Kubernetes does. For a moment files may be half written, or may not belong together.
"""

import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Generic, TypeVar

from breakwall.log_throttle import INTERVAL

T = TypeVar("T")

AGAIN = 1.0  # Seconds until files that could not be used, and have not changed since, are read again.
LONGEST = 65_536  # Bytes of a token, headers or an address that are read.

logger = logging.getLogger("breakwall.credentials")


class WatchedFiles(Generic[T]):
    """A value from files. It is read again when one of them changes. Threads and forked processes may share it.

    Args:
        paths: the files.
        read: makes the value of them. `ValueError`, whose text names the variable and shows no secret, if it cannot.
        what: the value's name in a warning.
        clock: seconds, monotonic.

    Raises:
        ValueError: they cannot be used now, at the beginning.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        read: Callable[[], T],
        what: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._paths, self._read, self._what, self._clock = paths, read, what, clock
        self._used: object = self._states()
        self._failed: tuple[object, float] = (
            None,
            0.0,
        )  # what could not be used, and until when it is left alone
        self._silent_until = clock()
        self._value = read()

    def __call__(self) -> T:
        """The value; the last valid one while the files cannot be used, with a warning once a minute."""
        # Without a lock, which a fork could leave locked for ever. Two threads would only read the files twice.
        states = self._states()
        if states != self._used and not self._is_left_alone(states):
            self._read_again(states)
        return self._value

    def _is_left_alone(self, states: object) -> bool:
        failed, until = self._failed
        return states == failed and self._clock() < until

    def _read_again(self, states: object) -> None:
        try:
            self._value = self._read()
        except ValueError as error:
            self._failed = (states, self._clock() + AGAIN)
            self._warn(error)
            return
        self._used, self._failed = states, (None, 0.0)
        logger.info("the %s was read again, because a file changed", self._what)

    def _warn(self, error: ValueError) -> None:
        if self._clock() >= self._silent_until:
            self._silent_until = self._clock() + INTERVAL
            logger.warning("%s; the last %s stays in use", error, self._what)

    def _states(self) -> tuple[tuple[int, ...] | None, ...]:
        return tuple(map(_state, self._paths))


def named(variable: str, read: Callable[[], T]) -> T:
    """What ``read`` returns; the text of its `ValueError` then begins with the variable's name."""
    try:
        return read()
    except ValueError as error:
        raise ValueError(f"BREAKWALL_{variable} {error}") from None


def check_readable(path: Path) -> None:
    """Check that a file can be read."""
    try:
        with path.open("rb") as file:
            file.read(1)
    except OSError as error:
        raise ValueError(unreadable(error)) from None


def read_line(path: Path) -> str:
    """The text of a file without white space around it; empty if it is not ASCII or too long."""
    try:
        with path.open("rb") as file:
            data = file.read(LONGEST + 1)
    except OSError as error:
        raise ValueError(unreadable(error)) from None
    return data.decode("ascii").strip() if data.isascii() and len(data) <= LONGEST else ""


def unreadable(error: OSError) -> str:
    return f"cannot be read: {error.strerror or type(error).__name__}"


def _state(path: Path) -> tuple[int, ...] | None:
    """What changes with each change of the file, also of its rights, or if a link in its path leads elsewhere."""
    try:
        found = path.stat()
    except OSError:
        return None
    return (found.st_mtime_ns, found.st_ctime_ns, found.st_ino, found.st_dev, found.st_size)
