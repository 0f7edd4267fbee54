"""The `Retry-After` header: how long a service asks us to wait (RFC 9110, section 10.2.3)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

_SECONDS = re.compile(r"\+?[0-9]+(?:\.[0-9]+)?", re.ASCII)


def parse_retry_after(headers: Mapping[str, str], *, now: float, longest: float) -> float | None:
    """Seconds to wait, from 0 to ``longest``; None where the header is missing or nobody can mean it.

    A longer wait is ignored, not shortened: it is a mistake, such as milliseconds or a moment in place of
    seconds, and says nothing of how long is meant. So is a moment that has passed.

    A date is taken relative to the answer's own ``Date`` header, which spares us the skew between the
    two clocks, and to ``now`` (seconds since the epoch) where there is none.

    Args:
        headers: names in lower case.
        longest: seconds.
    """
    text = headers.get("retry-after", "").strip()
    wait = float(text) if _SECONDS.fullmatch(text) else _until(text, headers.get("date", ""), now)
    return wait if wait is not None and 0 <= wait <= longest else None


def _until(text: str, date: str, now: float) -> float | None:
    until, since = _epoch(text), _epoch(date)
    return None if until is None else until - (now if since is None else since)


def _epoch(text: str) -> float | None:
    try:
        moment = parsedate_to_datetime(text)
        aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return (aware - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
