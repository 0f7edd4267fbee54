"""Child processes that die with this one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

from breakwall.pickling import Picklable
from breakwall.processes import child

LAST_LINES = 12
"""Lines of a log that are shown when its process has failed: a traceback's end."""

Stream = int | IO[bytes] | None


class ChildFailedError(Picklable, Exception):
    """A process of ours ended, or never came up.

    Attributes:
        name: which one.
        log: the end of what it said.
    """

    def __init__(self, name: str, what: str, log: str) -> None:
        super().__init__(f"the {name} {what}")
        self.name = name
        self.log = log


class Child:
    """A program that is killed when this process ends, also when this one is killed with -9.

    To be made by the main thread: Linux takes the end of the thread that starts a child for the parent's.
    The child has a session of its own, so the terminal's Ctrl-C reaches only us.

    Args:
        name: what people call it.
        command: the program, by its path, and its arguments.
        environment: its whole environment.
        folder: its working folder.
        stdin, stdout, stderr: as `subprocess.Popen` takes them.
        how: ``kernel`` or ``pipe``, see `breakwall.processes.child`; by default what the system can do.

    Raises:
        OSError: it could not be started.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        environment: Mapping[str, str],
        folder: Path,
        stdin: Stream = subprocess.DEVNULL,
        stdout: Stream = None,
        stderr: Stream = None,
        how: str = "",
    ) -> None:
        self.name = name
        how = how or ("kernel" if sys.platform == "linux" else "pipe")
        watched, self._held = os.pipe()  # `_held` is open for as long as this process lives
        launcher = [sys.executable, "-I", "-S", child.__file__, how, str(os.getpid()), str(watched)]
        try:
            self.process = subprocess.Popen(  # noqa: S603 - our own programs, no shell
                [*launcher, *command],
                env=dict(environment),
                cwd=folder,
                stdin=stdin,
                stdout=stdout,
                stderr=stderr,
                pass_fds=(watched,),
                start_new_session=True,
            )
        except BaseException:
            os.close(self._held)
            raise
        finally:
            os.close(watched)

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def running(self) -> bool:
        return self.process.poll() is None

    @property
    def how_it_ended(self) -> str:
        """In words, once it has."""
        code = self.process.returncode
        return f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"

    def ask_to_stop(self) -> None:
        """Send SIGTERM; does not wait."""
        self.process.terminate()

    def kill(self) -> None:
        """Kill it with -9 and return when it has ended. Safe to call twice."""
        if self.running:  # else the number may be somebody else's by now
            # The group: elsewhere than on Linux the launcher stays beside the program.
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        if self._held >= 0:
            os.close(self._held)
            self._held = -1


def python_module(*arguments: str) -> list[str]:
    """``python -m …`` under this Python. No file in the working folder takes a module's place (``-P``)."""
    return [sys.executable, "-P", "-m", *arguments]


def end_of(log: Path, lines: int = LAST_LINES) -> str:
    """The last lines of a log, for a person to read."""
    with suppress(OSError):
        return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
    return ""
