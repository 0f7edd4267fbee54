"""Durations as people write them: ``90``, ``90s``, ``15m``, ``2h``, ``7d``."""

import re

_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400}
_DURATION = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,3})?)([smhd]?)")


def seconds_in(text: str) -> float | None:
    """The seconds of a duration: ``seconds_in("15m") == 900.0``. None: it is none."""
    found = _DURATION.fullmatch(text.strip())
    return float(found[1]) * _SECONDS[found[2]] if found else None
