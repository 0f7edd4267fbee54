"""Durations (90s, 15m, 2h, 7d) and points in time (2026-11-27T09:00+09:00) on the command line."""

from datetime import UTC, datetime

import typer

from breakwall.durations import seconds_in

MOMENT = "Such as 2026-11-27 or 2026-11-27T09:00+09:00; without an offset, UTC."

# Seconds, a century: longer than anything here; every database computes with it.
_LONGEST = 100 * 365.25 * 86_400


def parse_duration(text: str, option: str) -> float:
    """A duration in seconds: ``parse_duration("15m", "--older-than") == 900.0``. Raises BadParameter."""
    seconds = seconds_in(text)
    if seconds is None:
        raise typer.BadParameter("should be a number with s, m, h or d: 90s, 15m, 2h, 7d", param_hint=option)
    return min(seconds, _LONGEST)


def parse_moment(text: str, option: str) -> datetime:
    """A point in time, aware, in UTC. Raises BadParameter."""
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise typer.BadParameter(f"should be a time. {MOMENT}", param_hint=option) from None
