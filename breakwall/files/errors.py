"""The error for a file that cannot be understood as a whole."""

from typing import Any

from breakwall.errors import BreakwallError, ExitCode
from breakwall.pickling import Picklable


class UnreadableFileError(Picklable, BreakwallError, ValueError):
    """The file as a whole cannot be understood; nothing of it may be trusted.

    ``line`` is counted from 1, or None for the file; ``field`` is the field or column at fault, or None for the line as
    a whole; ``problem`` says what was found, and what would be right.
    """

    kind = "unreadable_file"
    exit_code = ExitCode.USAGE

    def __init__(self, line: int | None, field: str | None, problem: str) -> None:
        where = f"line {line}" if line else None
        super().__init__(": ".join(part for part in (where, field, problem) if part))
        self.line, self.field, self.problem = line, field, problem

    def details(self) -> dict[str, Any]:
        """``problems``: the problem by the field, if one is at fault."""
        return {"problems": {self.field: self.problem}} if self.field else {}
