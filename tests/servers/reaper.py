"""A small process that outlives pytest by a moment and stops what pytest left running.

It reads lines from its standard input: ``+PID SIGNAL`` and ``-PID`` for a server process that started or ended,
``rm PATH`` for a folder to remove, ``run JSON-LIST`` for a command to run. When its input ends, also because pytest was
killed with -9, it does all that and ends. It uses only the standard library.
"""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time

GRACE = 3.0  # PostgreSQL stops at once in well under a second


def main() -> None:
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    processes: dict[int, int] = {}
    folders: list[str] = []
    commands: list[list[str]] = []
    for line in sys.stdin:
        _read(line.strip(), processes, folders, commands)
    _stop(processes)
    for command in commands:
        subprocess.run(command, check=False, timeout=30, capture_output=True)
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


def _read(line: str, processes: dict[int, int], folders: list[str], commands: list[list[str]]) -> None:
    if line.startswith("+"):
        pid, how = line[1:].split()
        processes[int(pid)] = int(how)
    elif line.startswith("-"):
        processes.pop(int(line[1:]), None)
    elif line.startswith("rm "):
        folders.append(line[3:])
    elif line.startswith("run "):
        commands.append(json.loads(line[4:]))


def _stop(processes: dict[int, int]) -> None:
    for pid, how in processes.items():
        _send(pid, how)
        _send(pid, signal.SIGCONT)
    deadline = time.monotonic() + GRACE
    while time.monotonic() < deadline and any(_alive(pid) for pid in processes):
        time.sleep(0.02)
    for pid in processes:
        _send(pid, signal.SIGKILL)


def _send(pid: int, how: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, how)


def _alive(pid: int) -> bool:
    try:
        os.killpg(pid, 0)
    except (ProcessLookupError, PermissionError):
        return False
    return True


if __name__ == "__main__":
    main()
