"""A child process that dies with this process."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

from breakwall.pickling import Picklable
from breakwall.processes import launcher

LAST_LINES = 12  # Lines of a failed process's log that are shown: the end of a traceback.

Stream = int | IO[bytes] | None


class ChildFailedError(Picklable, Exception):
    """A process of ours has ended, or has not started."""

    def __init__(self, name: str, what: str, log: str) -> None:
        super().__init__(f"the {name} {what}")
        self.name = name
        self.log = log  # The end of its output.


class Child:
    """A program that is killed when this process ends, even when this process is killed with -9.

    The thread that makes it must live as long as this process: for Linux, that thread is the parent. The child has its
    own session, so that the terminal's Ctrl-C does not reach it.

    ``command`` begins with the program's path. ``environment`` is complete: nothing of ours is added. ``inherited`` are
    numbers of open files. Without ``folder`` it has
    this process's own. ``how``: ``kernel`` or ``pipe``, see `launcher`; by default what the system supports. Raises
    `OSError` if the program cannot be started.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        environment: Mapping[str, str],
        folder: Path | None,
        stdin: Stream = subprocess.DEVNULL,
        stdout: Stream = None,
        stderr: Stream = None,
        umask: int = -1,
        inherited: Sequence[int] = (),
        how: str = "",
    ) -> None:
        self.name = name
        self._closing = threading.Lock()
        how = how or ("kernel" if sys.platform == "linux" else "pipe")
        watched, self._held = os.pipe()  # `_held` stays open until this process ends
        start = [sys.executable, "-I", "-S", launcher.__file__, how, str(os.getpid()), str(watched)]
        try:
            self.process = subprocess.Popen(  # noqa: S603 - our own programs, no shell
                [*start, *command],
                env=dict(environment),
                cwd=folder,
                stdin=stdin,
                stdout=stdout,
                stderr=stderr,
                umask=umask,
                pass_fds=(watched, *inherited),
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
        """For people, after its end."""
        code = self.process.returncode
        return f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"

    def ask_to_stop(self) -> None:
        """Send SIGTERM and return at once."""
        self.process.terminate()

    def stop(self, timeout: float) -> None:
        """Ask it to stop, kill it after ``timeout`` seconds, and return when it has ended."""
        self.ask_to_stop()
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout)
        self.kill()

    def kill(self) -> None:
        """Kill it with -9 and return when it has ended. Safe to call twice, and after its end."""
        if self.running:  # else the number may be another process's by now
            # The whole group: with ``pipe`` the launcher runs beside the program.
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        with self._closing:  # Two threads may kill it, and the number may be another file's after the first.
            if self._held >= 0:
                os.close(self._held)
                self._held = -1


def python_module(*arguments: str) -> list[str]:
    """``python -m …`` with this Python. Files in the working folder are not imported (``-P``)."""
    return [sys.executable, "-P", "-m", *arguments]


def end_of(log: Path, lines: int = LAST_LINES) -> str:
    """The last lines of a log, for a person; empty if there is no log."""
    with suppress(OSError):
        return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
    return ""
