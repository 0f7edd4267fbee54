"""Reads what the lines about the backlog need beside the monitor's snapshot."""

import os
import socket
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, func, literal, or_, select

from breakwall.payments.db.clock import Clock, seconds_between
from breakwall.payments.db.query_hints import likely
from breakwall.payments.db.schema import IN_FLIGHT, QUEUED, orders, workers
from breakwall.payments.fleet.workers import is_alive

SAMPLE_SIZE = 100  # Waiting orders that are read each second: enough to see whether there is a backlog.

MOST_FINISHED = 1_000_000  # Finished orders that are read when a backlog is gone: they take about a second.

HAD_WAITED = or_(orders.c.retry_count > 0, orders.c.deferral_count > 0)


@dataclass(frozen=True, slots=True)
class BacklogSample:
    """Whether there is a backlog, cheaply."""

    now: datetime
    waiting: int  # Orders, at most `SAMPLE_SIZE`.
    in_flight: bool  # No order waits, but a worker works on one that has waited.
    oldest_seconds: float


def sample_backlog(connection: Connection, clock: Clock) -> BacklogSample:
    """Take a sample, of `SAMPLE_SIZE` rows at most."""
    sample = (
        select(orders.c.created_at.label("since"))
        .where(likely(orders.c.status == QUEUED), orders.c.dispatch_at.is_not(None))
        .order_by(orders.c.dispatch_at)  # uses the index of waiting orders, not a scan of all finished ones
        .limit(SAMPLE_SIZE)
        .subquery()
    )
    in_flight = (
        select(literal(1))
        .where(likely(orders.c.status == IN_FLIGHT), HAD_WAITED)
        .order_by(orders.c.lease_until)
        .limit(1)
    )
    row = connection.execute(
        select(
            clock.after(0).label("now"),
            func.count(sample.c.since).label("waiting"),
            func.min(sample.c.since).label("oldest"),
        )
    ).one()
    return BacklogSample(
        row.now,
        row.waiting,
        in_flight=row.waiting == 0 and connection.scalar(in_flight) is not None,
        oldest_seconds=seconds_between(row.oldest, row.now),
    )


def count_finished(connection: Connection, since: datetime) -> dict[str, int]:
    """How many orders that had waited have finished since then, by status, of the newest `MOST_FINISHED`.

    If the first attempt finishes an imported order, its row does not record that it waited. So if no row records a
    wait, all finished orders are counted.
    """
    finished = (
        select(orders.c.status, HAD_WAITED.label("had_waited"))
        .where(orders.c.settled_at >= since)
        .order_by(orders.c.settled_at.desc())
        .limit(MOST_FINISHED)
        .subquery()
    )
    query = (
        select(finished.c.status, func.count().label("number"))
        .group_by(finished.c.status)
        .order_by(func.count().desc())
    )
    rows = connection.execute(query.where(finished.c.had_waited)).all() or connection.execute(query).all()
    return {str(row.status): row.number for row in rows}


def is_oldest_worker(connection: Connection, clock: Clock) -> bool:
    """Whether this process is the oldest live worker. Without any heartbeat, every worker counts as the oldest."""
    oldest = connection.execute(
        select(workers.c.host, workers.c.pid)
        .where(is_alive(clock))
        .order_by(workers.c.started_at, workers.c.id)
        .limit(1)
    ).first()
    return oldest is None or (oldest.host, oldest.pid) == (socket.gethostname(), os.getpid())
