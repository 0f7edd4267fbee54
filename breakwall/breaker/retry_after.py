"""The ``Retry-After`` header: how long a service asks us to wait (RFC 9110, section 10.2.3)."""

import re
import time
from collections.abc import Mapping
from datetime import UTC, datetime

_SECONDS = re.compile(r"\+?[0-9]+(?:\.[0-9]+)?", re.ASCII)


def parse_retry_after(
    headers: Mapping[str, str], *, longest: float = 3600.0, now: float | None = None
) -> float | None:
    """Seconds to wait, from 0 to ``longest``; None if the header is missing or invalid.

    A longer wait is ignored, not shortened: it is a mistake (milliseconds, for example, or a time in place of a
    duration), so the intended wait is unknown. A date in the past is ignored too.

    A date counts from the answer's own ``Date`` header, so the two clocks may differ. Without that header it counts
    from ``now``.

    Args:
        headers: a mapping that ignores case, as HTTP clients have it, or one with names in lower case.
        longest: seconds.
        now: seconds since the epoch; by default this machine's clock.
    """
    text = headers.get("retry-after", "").strip()
    if _SECONDS.fullmatch(text):
        wait: float | None = float(text)
    else:
        wait = _until(text, headers.get("date", ""), time.time() if now is None else now)
    return wait if wait is not None and 0 <= wait <= longest else None


def _until(text: str, date: str, now: float) -> float | None:
    until, since = _epoch(text), _epoch(date)
    return None if until is None else until - (now if since is None else since)


def _epoch(text: str) -> float | None:
    # Services rarely send a date, and the parser of mail takes long to load.
    from email.utils import parsedate_to_datetime

    try:
        moment = parsedate_to_datetime(text)
        aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return (aware - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
