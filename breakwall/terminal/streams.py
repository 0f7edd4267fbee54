"""The standard streams, whatever they are when a command starts: closed, full, a pipe that nobody reads."""

from __future__ import annotations

import os
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


def serve_without_stdout(probe: bytes = b"") -> None:
    """For a program that serves: where stdout cannot be written, what it would say there is dropped.

    Args:
        probe: what to write, to see that; with nothing only a closed stdout is noticed, and no full one.
    """
    try:
        os.write(1, probe)
    except OSError as error:
        _drop(1)
        with suppress(OSError):
            sys.stderr.write(
                f"Warning: stdout cannot be written ({error.strerror}); what belongs there is dropped\n"
            )


def _drop(number: int) -> None:
    with suppress(OSError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, number)
        os.close(nowhere)
