"""Reads the history for a chart."""

from datetime import datetime
from itertools import groupby

from breakwall.monitor.history import store
from breakwall.monitor.history.sample import Sample, merged
from breakwall.payments.db.database import Database

MOST_POINTS = 2_000


def read_history(database: Database, since: datetime, until: datetime, max_points: int) -> list[Sample]:
    """The samples after ``since`` and up to ``until``, first to last, at most ``max_points``.

    Where there are more, those of each of ``max_points`` equal parts of the time are merged into one, so an outage of
    seconds is still to be seen. Without the table the history is empty. Raises `DatabaseUnavailableError`.
    """
    samples = database.read(
        lambda found: store.between(found, since, until) if store.exists_here(found) else []
    )
    if len(samples) <= max_points:
        return samples
    width = (until - since).total_seconds() / max_points

    def part(one: Sample) -> int:
        return min(max_points - 1, int((one.at - since).total_seconds() / width))

    return [merged(list(group)) for _, group in groupby(samples, part)]
