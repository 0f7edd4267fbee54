"""Looking for processes that should be gone."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import psutil


def processes_of(folder: Path) -> list[psutil.Process]:
    """Every process that has to do with a folder: by its command line, its environment or where it runs."""
    return [process for process in psutil.process_iter() if _mentions(process, str(folder))]


def eventually(holds: Callable[[], bool], timeout: float = 10.0) -> bool:
    """Whether something that other processes bring about holds within ``timeout`` seconds."""
    deadline = time.monotonic() + timeout
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def _mentions(process: psutil.Process, text: str) -> bool:
    try:
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        said = [*process.cmdline(), *process.environ().values(), process.cwd()]
    except psutil.Error:
        return False
    return any(text in part for part in said)
