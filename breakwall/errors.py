"""The base of Breakwall's own errors: each class carries the exit code and the JSON kind that a command reports.

Imports nothing, so that every part can use it, also where no memory is left for an import.
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
    """An error that a caller is told in sentences, never with a traceback.

    Attributes:
        kind: its name for programs, such as ``not_found``; public, so it stays.
        exit_code: what a command exits with that ends with it.
    """

    kind: ClassVar[str] = "failure"
    exit_code: ClassVar[ExitCode] = ExitCode.FAILURE

    def sentences(self) -> list[str]:
        """What is wrong, and what would be right; one or more sentences, each for a line of its own."""
        return [str(self)]

    def details(self) -> dict[str, Any]:
        """What JSON has beside the sentences, as plain values: ``problems`` by field, for example."""
        return {}
