"""Durations, moments, states and counts in words."""

from datetime import UTC, datetime

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
    """A length of time in at most two units: ``duration(725) == "12 min"``."""
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
    """A state's name in its colour, as Rich markup; readable without colours."""
    style = _STYLES.get(name)
    padded = f"{name:<{width}}"
    return f"[{style}]{padded}[/]" if style else padded


def count(number: int, noun: str, plural: str | None = None) -> str:
    """``count(1284, "order") == "1,284 orders"``."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"
