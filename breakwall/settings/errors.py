"""The error for unusable settings."""

from typing import Any

from breakwall.errors import BreakwallError, ExitCode
from breakwall.pickling import Picklable


class SettingsError(Picklable, BreakwallError):
    """One or more settings are unusable."""

    kind = "settings"
    exit_code = ExitCode.USAGE

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems  # A line for each: the variable and what would be right, without its value.

    def sentences(self) -> list[str]:
        """One for each problem."""
        return self.problems

    def details(self) -> dict[str, Any]:
        """``problems``: what would be right, by variable."""
        return {"problems": dict(problem.split(": ", 1) for problem in self.problems)}
