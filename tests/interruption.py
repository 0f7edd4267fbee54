"""Raises in the main thread where a signal's handler could: when a function begins, and when a call of C ends."""

import gc
import sys
from collections.abc import Callable
from types import FrameType


class Interrupt(BaseException):
    """As Ctrl-C, or Celery's soft time limit."""


def interrupted(point: int, call: Callable[[], object], modules: tuple[str, ...]) -> bool:
    """Call, and raise `Interrupt` at the point of that number in these modules. False: there were not so many."""
    passed = 0

    def count(frame: FrameType, event: str, argument: object) -> None:
        nonlocal passed
        if event in ("call", "c_return") and frame.f_globals.get("__name__", "").startswith(modules):
            passed += 1
            if passed == point:
                sys.setprofile(None)
                raise Interrupt

    # Else a finalizer of an earlier test's objects may be interrupted, and nobody catches that.
    gc.disable()
    before = sys.getprofile()
    sys.setprofile(count)
    try:
        call()
    except BaseException:
        if passed < point:
            raise
    finally:
        sys.setprofile(before)
        gc.enable()
    return passed >= point
