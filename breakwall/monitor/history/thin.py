"""Thins the history: the older, the coarser. What lasted for seconds is kept, see `sample.merged`."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby

from sqlalchemy import Connection

from breakwall.monitor.history import store
from breakwall.monitor.history.sample import Sample, merged

MINUTE = 60.0
HOUR = 3600.0
DAY = 24 * HOUR
KEPT = 30 * DAY  # Seconds after which a sample is deleted.


@dataclass(frozen=True, slots=True)
class Grain:
    """Samples of more than ``after`` seconds ago are merged into one for each ``width`` seconds."""

    after: float
    width: float


GRAINS = (Grain(2 * HOUR, MINUTE), Grain(2 * DAY, 10 * MINUTE))


def thin(connection: Connection, now: datetime, *, since: datetime | None = None) -> None:
    """Merge within a running transaction what is old enough. ``since``: samples from before are thinned already.

    Done again, or by two processes after one another, it changes nothing.
    """
    for grain in GRAINS:
        until = now - timedelta(seconds=grain.after)
        first = now - timedelta(seconds=KEPT) if since is None else since - timedelta(seconds=grain.after)
        for group in _groups(store.between(connection, _floor(first, grain.width), until), grain, until):
            store.remove(connection, [one.at for one in group])
            store.add(connection, [merged(group)])


def _groups(samples: list[Sample], grain: Grain, until: datetime) -> Iterator[list[Sample]]:
    """The samples of each complete width that has more than one."""
    for start, found in groupby(samples, lambda one: _floor(one.at, grain.width)):
        group = list(found)
        if len(group) > 1 and start + timedelta(seconds=grain.width) <= until:
            yield group


def _floor(moment: datetime, width: float) -> datetime:
    return moment - timedelta(seconds=moment.timestamp() % width)
