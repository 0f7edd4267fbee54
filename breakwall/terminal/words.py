"""Durations, moments, states and counts as text, and text broken into lines."""

import re
import textwrap
from datetime import UTC, datetime

WIDEST = 100  # Columns: longer lines are hard to read.

_UNIT = re.compile(r"(?<=\d) (?=s\b|min\b)")
_HELD_TOGETHER = "\N{NO-BREAK SPACE}"
_STYLES = {
    "paid": "green",
    "queued": "yellow",
    "in_flight": "cyan",
    "declined": "magenta",
    "review": "bold red",
    "dead": "bold red",
    "cancelled": "dim",
    "closed": "green",
    "half_open": "yellow",
    "open": "bold red",
    "ok": "green",
    "problem": "bold red",
}


def duration(seconds: float) -> str:
    """A duration in at most two units: ``duration(725) == "12 min"``."""
    if seconds < 10:
        return f"{max(seconds, 0.0):.1f} s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 2 * 3600:
        return f"{seconds / 60:.0f} min"
    if seconds < 2 * 86_400:
        hours, rest = divmod(round(seconds / 60), 60)
        return f"{hours} h {rest} min" if rest else f"{hours} h"
    days, rest = divmod(round(seconds / 3600), 24)
    return f"{days} d {rest} h" if rest else f"{days} d"


def moment(at: datetime | None) -> str:
    """A point in time: ``2026-11-23 10:21:04 UTC``; a dash for none."""
    return "-" if at is None else f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def state(name: str, *, width: int = 0) -> str:
    """A state's name in its colour, as Rich markup."""
    style, padded = _STYLES.get(name), f"{name:<{width}}"
    return f"[{style}]{padded}[/]" if style else padded


def count(number: int, noun: str, plural: str | None = None) -> str:
    """``count(1284, "order") == "1,284 orders"``."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def fill(sentence: str, width: int, *, indent: int = 0) -> str:
    """Break into lines of at most ``width`` columns, all but the first indented; units stay with numbers."""
    held = _UNIT.sub(_HELD_TOGETHER, sentence)
    wrapper = textwrap.TextWrapper(
        min(width, WIDEST), subsequent_indent=" " * indent, break_on_hyphens=False, break_long_words=False
    )
    return wrapper.fill(held).replace(_HELD_TOGETHER, " ")
