"""The base of Breakwall's errors: each class has the exit code and the JSON kind that a command reports.

Imports nothing of Breakwall, so that every part can use it.
"""

from enum import IntEnum
from typing import Any, ClassVar


class ExitCode(IntEnum):
    """What a command's exit code means."""

    OK = 0
    FAILURE = 1
    USAGE = 2
    NOT_FOUND = 3
    REFUSED = 4


class BreakwallError(Exception):
    """An error that commands show as sentences, never with a traceback."""

    kind: ClassVar[str] = "failure"  # Its name for programs, such as ``not_found``. Public: it stays.
    exit_code: ClassVar[ExitCode] = ExitCode.FAILURE

    def sentences(self) -> list[str]:
        """What is wrong and what would be right: one or more sentences, each for a line of its own."""
        return [str(self)]

    def details(self) -> dict[str, Any]:
        """More plain values for JSON, such as ``problems`` by field."""
        return {}
