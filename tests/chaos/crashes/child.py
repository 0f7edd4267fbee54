"""A death at a crash point: steps run in a forked child, which kills itself there with SIGKILL."""

import gc
import os
import signal
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NoReturn

from breakwall import crashpoints

LONGEST = 60  # Seconds after which an alarm ends a child that hangs. A child takes a tenth of a second.


@dataclass(frozen=True)
class ChildRun:
    """The way of a child to its end."""

    points: list[str]  # The points that it passed. If it died, it died at the last one.
    died: bool  # Whether it was killed; else it ran to the end.
    seconds: float  # What its clock showed at the end.


def run_in_child(steps: Callable[[], object], *, die_at: int | str, seconds: Callable[[], float]) -> ChildRun:
    """Run steps in a child, which dies at a certain point.

    Args:
        steps: run in the child alone.
        die_at: the point's name, or its number among the points that are passed, from 0.
        seconds: read in the child at each point, for `ChildRun.seconds`.

    Raises `AssertionError` with the child's traceback if the child ends in another way.
    """
    reader, writer = os.pipe()
    with _fork_is_meant():
        pid = os.fork()
    if pid == 0:
        os.close(reader)
        _be_the_child(steps, writer, die_at, seconds)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        written = pipe.read()
    _, status = os.waitpid(pid, 0)
    return _execution(written, status)


def _be_the_child(
    steps: Callable[[], object], writer: int, die_at: int | str, seconds: Callable[[], float]
) -> NoReturn:
    # Nothing of the parent's may run a second time here, such as pytest's report or the end of a fixture.
    code = 1
    try:
        gc.disable()  # A collection would copy every page that it visits, and the child lives for milliseconds.
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(LONGEST)
        os.environ["PGAPPNAME"] = DOOMED
        crashpoints.arm(_Countdown(writer, die_at, seconds))
        steps()
        os.write(writer, f"{seconds()}\n".encode())
        code = 0
    except BaseException:
        os.write(writer, traceback.format_exc().encode())
    finally:
        os._exit(code)


DOOMED = "breakwall-doomed"  # The children's name in PostgreSQL's list of clients.


class _Countdown:
    """Records each point that is passed, and kills the process at one of them."""

    def __init__(self, writer: int, die_at: int | str, seconds: Callable[[], float]) -> None:
        self._writer = writer
        self._die_at = die_at
        self._seconds = seconds
        self._passed = 0

    def __call__(self, point: str) -> None:
        os.write(self._writer, f"{self._seconds()} {point}\n".encode())
        if self._die_at in {point, self._passed}:
            os.kill(os.getpid(), signal.SIGKILL)
        self._passed += 1


def _execution(written: str, status: int) -> ChildRun:
    lines = written.splitlines()
    killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
    if not killed and status != 0:
        raise AssertionError(f"the child ended with status {status}; it wrote:\n{written}")
    points = [line.split(" ", 1)[1] for line in lines if " " in line]
    return ChildRun(points, killed, float(lines[-1].split(" ", 1)[0]))


@contextmanager
def _fork_is_meant() -> Iterator[None]:
    # Python 3.12 and later warn of a fork beside other threads, which pytest's plugins have. The child uses
    # nothing of theirs: it opens connections of its own and never returns.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        yield
