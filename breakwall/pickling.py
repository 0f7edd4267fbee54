"""Lets errors pass from one process to another: a process pool pickles what its workers raise."""

from typing import Any


class Picklable:
    """The first base of an error whose ``__init__`` takes other arguments than its sentence.

    Python would make such an error anew by calling it with its sentence. That is a `TypeError` in the process that
    waits for the answer, which breaks a pool or leaves it waiting for ever.
    """

    def __reduce__(self) -> tuple[Any, ...]:
        """How `pickle` and `copy` make it anew: without ``__init__``."""
        return _make_again, (type(self), getattr(self, "args", ())), vars(self)


def _make_again(kind: type[BaseException], args: tuple[Any, ...]) -> BaseException:
    return kind.__new__(kind, *args)
