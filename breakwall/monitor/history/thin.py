"""Thins the history: the older, the coarser. What lasted for seconds is kept, see `sample.merged`."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from itertools import groupby

from sqlalchemy import Connection

from breakwall.monitor.history import store
from breakwall.monitor.history.sample import Sample, merged
from breakwall.payments.db.database import Database

MINUTE = 60.0
HOUR = 3600.0
DAY = 24 * HOUR
BATCH = 50  # Merged samples in one transaction: some ten milliseconds.
KEPT = 30 * DAY  # Seconds after which a sample is deleted.


@dataclass(frozen=True, slots=True)
class Grain:
    """Samples of more than ``after`` seconds ago are merged into one for each ``width`` seconds."""

    after: float
    width: float


GRAINS = (Grain(2 * HOUR, MINUTE), Grain(2 * DAY, 10 * MINUTE))


Group = list[Sample]
"""Samples to be merged into one, first to last."""


def thin(database: Database, now: datetime, *, since: datetime | None = None) -> None:
    """Merge what is old enough, in short transactions. ``since``: samples from before are thinned already.

    Done again, or by two processes after one another, it changes nothing. Raises `DatabaseUnavailableError`.
    """
    for grain in GRAINS:
        # Found in a reading transaction: on SQLite every writer would wait meanwhile.
        found = database.read(partial(_find, grain, now, since))
        for start in range(0, len(found), BATCH):
            database.write(partial(_merge, found[start : start + BATCH]), name="thin_history")


def _find(grain: Grain, now: datetime, since: datetime | None, connection: Connection) -> list[Group]:
    until = now - timedelta(seconds=grain.after)
    first = now - timedelta(seconds=KEPT) if since is None else since - timedelta(seconds=grain.after)
    return list(_groups(store.between(connection, _floor(first, grain.width), until), grain, until))


def _merge(groups: list[Group], connection: Connection) -> None:
    for group in groups:
        store.remove(connection, [one.at for one in group])
    store.add(connection, [merged(group) for group in groups])


def _groups(samples: list[Sample], grain: Grain, until: datetime) -> Iterator[Group]:
    """The samples of each complete width that has more than one."""
    for start, found in groupby(samples, lambda one: _floor(one.at, grain.width)):
        group = list(found)
        if len(group) > 1 and start + timedelta(seconds=grain.width) <= until:
            yield group


def _floor(moment: datetime, width: float) -> datetime:
    return moment - timedelta(seconds=moment.timestamp() % width)
