"""Points in time on the command line: 2026-11-27T09:00+09:00."""

from __future__ import annotations

from datetime import UTC, datetime

import typer

MOMENT = "Such as 2026-11-27 or 2026-11-27T09:00+09:00; UTC where it has no offset."


def parse_moment(text: str, option: str) -> datetime:
    """A point in time, aware, in UTC.

    Raises:
        typer.BadParameter: naming ``option`` and what would be right.
    """
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise typer.BadParameter(f"should be a time. {MOMENT}", param_hint=option) from None
