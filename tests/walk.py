"""Counts the steps of a way through the product, for the budgets of its length."""

from __future__ import annotations

import gc
import itertools
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any

import breakwall

PRODUCT = str(Path(breakwall.__file__).parent)


def walk(work: Callable[[], object], *expected: type[Exception]) -> tuple[int, int]:
    """How many product functions ``work`` calls, and how often the next one is in another module.

    It may end with one of the ``expected`` errors. Each entry into a generator counts, and on Python 3.11 each
    comprehension; later versions have no calls for these. What the garbage collector ends meanwhile does not count: it
    is what earlier tests have left, such as a breaker whose store's thread is dismissed.
    """
    modules: list[str] = []

    def profile(frame: FrameType, event: str, _: Any) -> None:
        if event == "call" and frame.f_code.co_filename.startswith(PRODUCT):
            modules.append(frame.f_code.co_filename)

    with _without_collector():
        sys.setprofile(profile)
        try:
            with suppress(*expected):
                work()
        finally:
            sys.setprofile(None)
    return len(modules), sum(before != after for before, after in itertools.pairwise(modules))


@contextmanager
def _without_collector() -> Iterator[None]:
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
