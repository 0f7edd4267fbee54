"""A file that cannot be understood."""

from __future__ import annotations

from breakwall.pickling import Picklable


class UnreadableFileError(Picklable, ValueError):
    """The file as a whole cannot be understood; nothing of it is to be believed.

    Attributes:
        line: counted from 1; None for the file.
        field: the field or column at fault; None for the line as a whole.
        problem: what was found, and what would be right.
    """

    def __init__(self, line: int | None, field: str | None, problem: str) -> None:
        where = f"line {line}" if line else None
        super().__init__(": ".join(part for part in (where, field, problem) if part))
        self.line = line
        self.field = field
        self.problem = problem
