"""How the backlog has changed lately, from the samples of the history."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, select

from breakwall.monitor.broker_difference import standing_difference
from breakwall.monitor.history import store
from breakwall.monitor.history.sample import Sample
from breakwall.payments.db.clock import Clock

WINDOW = 65.0  # Seconds: a minute of samples, and one more.
LEAST = 15.0  # Seconds between the first and the last sample, for a rate.
MOST_OF_A_MINUTE = 45.0  # Seconds that the samples have to cover, for the arrivals of the last minute.
NEWEST = 30.0  # Seconds; if no sample is younger, nobody samples, and nothing is known.


@dataclass(frozen=True, slots=True)
class Trend:
    """None: unknown, because there are no samples of the last minute.

    Attributes:
        net_rate: orders a second by which the waiting ones became more (+) or fewer (−).
        arrivals: orders that began to wait in the last minute.
        broker_difference: see `broker_difference.standing_difference`.
    """

    net_rate: float | None = None
    arrivals: int | None = None
    broker_difference: int | None = None


def read_trend(connection: Connection, clock: Clock) -> Trend:
    """Read the samples of the last minute."""
    samples = store.of_last(connection, clock, WINDOW)
    now: datetime = connection.execute(select(clock.after(0))).scalar_one()
    if not samples or abs(now - samples[-1].at) > timedelta(seconds=NEWEST):
        return Trend()
    return Trend(net_rate(samples), _arrivals(samples), standing_difference(samples))


def net_rate(samples: Sequence[Sample]) -> float | None:
    """See `Trend`, from samples that are exact."""
    exact = [one for one in samples if one.exact]
    if not exact:
        return None
    seconds = (_counted_at(exact[-1]) - _counted_at(exact[0])).total_seconds()
    return (exact[-1].queued - exact[0].queued) / seconds if seconds >= LEAST else None


def _arrivals(samples: Sequence[Sample]) -> int | None:
    begin = samples[-1].at - timedelta(seconds=WINDOW)
    minute = [one for one in samples if one.at - timedelta(seconds=one.span) >= begin]
    covered = sum(one.span for one in minute)
    return sum(one.arrivals for one in minute) if covered >= MOST_OF_A_MINUTE else None


def _counted_at(sample: Sample) -> datetime:
    return sample.at - timedelta(seconds=sample.count_age)
