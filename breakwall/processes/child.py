"""A child process that dies with this one."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

from breakwall.pickling import Picklable
from breakwall.processes import launcher

LAST_LINES = 12  # Lines of a log that are shown when its process has failed: a traceback's end.

Stream = int | IO[bytes] | None


class ChildFailedError(Picklable, Exception):
    """A process of ours ended, or never came up.

    Attributes:
        name: which one.
        log: the end of its output.
    """

    def __init__(self, name: str, what: str, log: str) -> None:
        super().__init__(f"the {name} {what}")
        self.name = name
        self.log = log


class Child:
    """A program that is killed when this process ends, also when this one is killed with -9.

    To be made by a thread that lives as long as this process: Linux takes that thread's end for the parent's.
    The child has a session of its own, so that the terminal's Ctrl-C reaches only us.

    Args:
        name: what people call it.
        command: the program, by its path, and its arguments.
        environment: its whole environment.
        folder: its working folder.
        stdin, stdout, stderr, umask: as `subprocess.Popen` takes them.
        inherited: open files that the program gets, by their numbers.
        how: ``kernel`` or ``pipe``, see `breakwall.processes.launcher`; by default what the system can do.

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
        umask: int = -1,
        inherited: Sequence[int] = (),
        how: str = "",
    ) -> None:
        self.name = name
        how = how or ("kernel" if sys.platform == "linux" else "pipe")
        watched, self._held = os.pipe()  # `_held` is open for as long as this process lives
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
        """In words, once it has."""
        code = self.process.returncode
        return f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"

    def ask_to_stop(self) -> None:
        """Send SIGTERM; does not wait."""
        self.process.terminate()

    def stop(self, timeout: float) -> None:
        """Ask it to stop, kill it where it has not within ``timeout`` seconds, and return when it has ended."""
        self.ask_to_stop()
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout)
        self.kill()

    def kill(self) -> None:
        """Kill it with -9 and return when it has ended. Safe to call twice, and after its end."""
        if self.running:  # else the number may be another process's by now
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
    """The last lines of a log, for a person to read; empty where there is none."""
    with suppress(OSError):
        return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
    return ""
