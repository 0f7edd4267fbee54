"""Finds the processes that belong to a folder."""

import time
from pathlib import Path

import psutil


def processes_of(folder: Path) -> list[str]:
    """The processes that run in the folder or name it on their command line, as ``PID NAME``."""
    found = []
    for process in psutil.process_iter():
        try:
            if str(folder) in " ".join([process.cwd(), *process.cmdline()]):
                found.append(f"{process.pid} {process.name()}")
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found


def wait_until_none_is_left(folder: Path, timeout: float) -> list[str]:
    """Wait until there are none; returns those that are still there after ``timeout`` seconds."""
    deadline = time.monotonic() + timeout
    while (left := processes_of(folder)) and time.monotonic() < deadline:
        time.sleep(0.02)
    return left
