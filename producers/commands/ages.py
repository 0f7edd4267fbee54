"""Ages on the command line: 90s, 15m, 2h, 7d."""

from __future__ import annotations

import re

import typer

_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400}
_AGE = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,3})?)([smhd]?)")


def parse_age(text: str, option: str) -> float:
    """An age in seconds: ``parse_age("15m", "--older-than") == 900.0``.

    Raises:
        typer.BadParameter: naming ``option`` and what would be right.
    """
    found = _AGE.fullmatch(text.strip())
    if found is None:
        raise typer.BadParameter("should be a number with s, m, h or d: 90s, 15m, 2h, 7d", param_hint=option)
    return min(float(found[1]) * _SECONDS[found[2]], _LONGEST)


_LONGEST = 100 * 365.25 * 86_400
"""A century, in seconds: no order is older, and no database fails to count back so far."""
