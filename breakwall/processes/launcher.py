"""Runs a program that dies with the process that started it, even when that process is killed with -9.

On Linux the kernel does this: the launcher asks for a signal at its parent's death and becomes the program. Elsewhere
it runs beside the program and watches a pipe whose other end only the parent holds. `Child` runs this file by its
path. It imports only the standard library, so it starts in a few milliseconds.

Usage: ``launcher.py kernel|pipe PARENT_PID PIPE_FD PROGRAM [ARGUMENT ...]``; ``PIPE_FD`` is open for reading.
"""

import ctypes
import os
import select
import signal
import subprocess
import sys

PR_SET_PDEATHSIG = 1  # linux/prctl.h
INTERVAL = 0.1  # seconds between two checks that the program still runs


def main(how: str, parent: str, pipe: str, *command: str) -> int:
    if how == "kernel":
        _ask_the_kernel(int(parent))
        os.execv(command[0], command)  # noqa: S606 - the caller's own program, no shell
    return _watch(int(pipe), command)


def _ask_the_kernel(parent: int) -> None:
    # SIGKILL: a server may refuse to stop, and the operating system already has what it acknowledged.
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
    if os.getppid() != parent:  # it died before the kernel knew
        sys.exit(1)


def _watch(pipe: int, command: tuple[str, ...]) -> int:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    # The other open files, such as a lock, are for the program.
    program = subprocess.Popen(command, close_fds=False)  # noqa: S603 - the caller's own program, no shell
    try:
        while program.poll() is None:
            orphaned, _, _ = select.select([pipe], [], [], INTERVAL)
            if orphaned:  # nothing is ever written: readable means closed
                program.kill()
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # A second one must not end this before the program.
        program.terminate()
        program.wait()
    return program.returncode


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
