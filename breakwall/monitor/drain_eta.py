"""When the queue will be empty, and what that rests on. Pure."""

from breakwall.monitor.order_counts import Counts

LEAST_SPAN = 1.0  # Seconds; a shorter time gives no useful speed.


def drain_eta(counts: Counts, *, stopped: bool) -> float | None:
    """See `Backlog.drain_eta_seconds`; ``stopped``: nothing moves."""
    if counts.queued == 0:
        return 0.0
    if stopped or counts.drained_last_minute == 0 or counts.rejected.orders >= counts.queued:
        return None
    seconds_per_order = max(counts.span, LEAST_SPAN) / counts.drained_last_minute
    return max(counts.queued * seconds_per_order, counts.last_due)


def drain_eta_range(counts: Counts, eta: float | None, speed: float) -> tuple[float, float] | None:
    """See `Backlog.drain_eta_range_seconds`; ``speed`` is the mean, in orders a second."""
    if eta is None:
        return None
    mean = max(counts.queued / speed, counts.last_due) if speed > 0 else eta
    return min(eta, mean), max(eta, mean)


def drain_assumption(counts: Counts, eta: float | None, *, stopped: bool) -> str:
    """See `Backlog.drain_assumption`."""
    if eta is not None:
        return (
            "At the speed of the last minute, and at the mean speed of the last ten minutes, if no order is added and "
            "none fails again."
        )
    if stopped:
        return "Unknown: nothing moves."
    if counts.rejected.orders >= counts.queued:
        return "Unknown: the payment service rejects each order."
    return "Unknown: no order was finished in the last minute."
