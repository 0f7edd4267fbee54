"""Makes errors picklable, because a process pool pickles its workers' errors."""

from typing import Any


class Picklable:
    """The first base of an error whose ``__init__`` takes other arguments than its sentence.

    Python would create the copy from the sentence alone. That raises a `TypeError` in the process that waits for the
    answer, and breaks a pool or makes it wait for ever. This class creates the copy without ``__init__``.
    """

    def __reduce__(self) -> tuple[Any, ...]:
        return _make_again, (type(self), getattr(self, "args", ())), vars(self)


def _make_again(kind: type[BaseException], args: tuple[Any, ...]) -> BaseException:
    return kind.__new__(kind, *args)
