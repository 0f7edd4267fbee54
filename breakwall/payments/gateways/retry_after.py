"""The `Retry-After` header: how long a service asks us to wait (RFC 9110, section 10.2.3)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

LONGEST = 86_400.0
"""Seconds. A longer wait is a service's mistake or an attack on our queue; after a day we ask again."""

_SECONDS = re.compile(r"([+-]?)([0-9]+(?:\.[0-9]+)?)", re.ASCII)


def parse_retry_after(headers: Mapping[str, str], *, now: float) -> float | None:
    """Seconds to wait, between 0 and `LONGEST`; None where the header is missing or makes no sense.

    A date is taken relative to the answer's own ``Date`` header, which spares us the skew between the
    two clocks, and to ``now`` (seconds since the epoch) where there is none.

    Args:
        headers: names in lower case.
    """
    text = headers.get("retry-after", "").strip()
    if match := _SECONDS.fullmatch(text):
        return 0.0 if match[1] == "-" else min(float(match[2]), LONGEST)
    if (until := _epoch(text)) is None:
        return None
    since = _epoch(headers.get("date", ""))
    return min(max(until - (now if since is None else since), 0.0), LONGEST)


def _epoch(text: str) -> float | None:
    try:
        moment = parsedate_to_datetime(text)
        aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return (aware - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
