"""When a delivery that failed is tried again."""

MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0

# Seconds after each failed try: first soon, because most failures are short, then as Standard Webhooks says.
DELAYS = (
    *(1.0, 5.0, 30.0),
    *(5 * MINUTE, 30 * MINUTE),
    *(2 * HOUR, 5 * HOUR, 10 * HOUR, 14 * HOUR, 20 * HOUR, 24 * HOUR),
)
MAX_TRIES = len(DELAYS) + 1
MAX_UNRECORDED = 5  # Claims in a row whose end nobody records: such an event ends its worker each time.
MAX_HANGS = 2  # Calls in a row of an event that nobody can end: each keeps a thread of few.
AFTER_HANG = 30 * MINUTE  # The least delay after such a call.
JITTER = 0.2  # The largest share that a delay is longer, so that what failed together is not tried together.
LONGEST_RETRY_AFTER = DAY
OUTAGE = HOUR  # Seconds that an outcome waits before that is a problem of its destination.
TAKEN_WITHIN = MINUTE  # Seconds in which a worker takes each event: if none does, what delivers does not run.


def delay_after_hang(hangs: int, jitter: float) -> float | None:
    """Seconds until the next try after so many calls in a row that nobody can end; None: give up."""
    return None if hangs >= MAX_HANGS else AFTER_HANG * (1 + JITTER * jitter)


def delay_after(tries: int, jitter: float, retry_after: float | None = None) -> float | None:
    """Seconds until the next try after so many failed ones, at least ``retry_after``; None: give up.

    ``jitter`` is from 0 to 1.
    """
    if tries >= MAX_TRIES:
        return None
    delay = DELAYS[max(tries, 1) - 1] * (1 + JITTER * jitter)
    return max(delay, min(retry_after or 0.0, LONGEST_RETRY_AFTER))
