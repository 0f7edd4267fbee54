"""The error of unusable settings."""

from __future__ import annotations

from breakwall.pickling import Picklable


class SettingsError(Picklable, Exception):
    """One or more settings are unusable.

    Attributes:
        problems: one line for each, naming the variable and what would be right, without its value.
    """

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems
