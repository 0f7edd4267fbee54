"""Lengths of time on the command line: 90s, 15m, 2h, 7d."""

from __future__ import annotations

import re

import typer

_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400}
_DURATION = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,3})?)([smhd]?)")
_LONGEST = 100 * 365.25 * 86_400
"""A century, in seconds: nothing here is older or lasts longer, and every database can compute with it."""


def parse_duration(text: str, option: str) -> float:
    """A length of time in seconds: ``parse_duration("15m", "--older-than") == 900.0``.

    Raises:
        typer.BadParameter: naming ``option`` and what would be right.
    """
    found = _DURATION.fullmatch(text.strip())
    if found is None:
        raise typer.BadParameter("should be a number with s, m, h or d: 90s, 15m, 2h, 7d", param_hint=option)
    return min(float(found[1]) * _SECONDS[found[2]], _LONGEST)
