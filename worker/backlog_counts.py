"""What waits, as the backlog's lines in the log say it: counted in the database, changing nothing."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Select, func, literal, literal_column, or_, select

from breakwall.currencies import show_money
from breakwall.payments.db.clock import Clock
from breakwall.payments.db.query_hints import most_likely, once
from breakwall.payments.db.schema import IN_FLIGHT, QUEUED, orders, workers
from breakwall.payments.fleet.workers import is_alive
from breakwall.payments.ledger.attempt_conditions import ORDER_REJECTED

SAMPLE = 100
"""Waiting orders that are looked at each second: whether there is a backlog is seen by a few."""

OF_LATE = 60.0
"""Seconds of completions that are told: those since the last line."""

HAD_WAITED = or_(orders.c.retry_count > 0, orders.c.deferral_count > 0)


@dataclass(frozen=True, slots=True)
class Glimpse:
    """A cheap look. ``waiting`` is `SAMPLE` at most; ``unfinished`` are such orders in somebody's hands."""

    now: datetime
    waiting: int
    unfinished: bool
    oldest_seconds: float


@dataclass(frozen=True, slots=True)
class Waiting:
    """All that waits. ``amounts`` are minor units, by currency; ``drained``: had waited and were settled of late."""

    queued: int
    due: int
    rejected: int
    oldest_seconds: float
    next_due_seconds: float
    amounts: Mapping[str, int]
    drained: int

    def __str__(self) -> str:
        money = ", ".join(show_money(amount, currency) for currency, amount in sorted(self.amounts.items()))
        many = f"{self.queued:,} order{'s' if self.queued > 1 else ''} wait{'' if self.queued > 1 else 's'}"
        return f"{many} ({self.due:,} due), {money}, the oldest for {self.oldest_seconds:,.0f} s"


def glimpse(connection: Connection, clock: Clock) -> Glimpse:
    """Whether anything waits, at the cost of `SAMPLE` rows at most."""
    sample = (
        select(orders.c.created_at.label("since"))
        .where(most_likely(orders.c.status == QUEUED), orders.c.dispatch_at.is_not(None))
        .order_by(orders.c.dispatch_at)  # by the index of what waits, not through all that is finished
        .limit(SAMPLE)
        .subquery()
    )
    busy = (
        select(literal(1))
        .where(most_likely(orders.c.status == IN_FLIGHT), HAD_WAITED)
        .order_by(orders.c.lease_until)
        .limit(1)
    )
    found = connection.execute(
        select(
            clock.after(0).label("now"), func.count(sample.c.since).label("waiting"), func.min(sample.c.since)
        )
    ).one()
    return Glimpse(
        found.now,
        found.waiting,
        unfinished=found.waiting == 0 and connection.scalar(busy) is not None,
        oldest_seconds=_between(found[2], found.now),
    )


def count_waiting(connection: Connection, clock: Clock) -> Waiting:
    """Count all of it: for a million waiting orders, about a second of one of the database's processors."""
    now = clock.after(0)
    rows = connection.execute(
        select(
            now.label("now"),
            orders.c.currency,
            func.count().label("queued"),
            func.count().filter(orders.c.next_attempt_at <= once(now)).label("due"),
            func.count().filter(ORDER_REJECTED).label("rejected"),
            func.sum(orders.c.amount).label("amount"),
            func.min(orders.c.created_at).label("oldest"),
            func.min(orders.c.next_attempt_at).label("next_due"),
        )
        .where(orders.c.status == QUEUED)
        .group_by(orders.c.currency)
    ).all()
    return Waiting(
        queued=sum(row.queued for row in rows),
        due=sum(row.due for row in rows),
        rejected=sum(row.rejected for row in rows),
        oldest_seconds=max((_between(row.oldest, row.now) for row in rows), default=0.0),
        next_due_seconds=min((_between(row.now, row.next_due) for row in rows), default=0.0),
        amounts={row.currency: int(row.amount) for row in rows},
        drained=connection.scalar(_drained(clock)) or 0,
    )


def _drained(clock: Clock) -> Select[int]:
    cancelled = orders.c.status == literal_column("'cancelled'")
    return select(func.count()).where(
        orders.c.settled_at >= once(clock.after(-OF_LATE)), ~cancelled, HAD_WAITED
    )


def count_settled(connection: Connection, since: datetime) -> dict[str, int]:
    """How many orders that had waited came to each end since then.

    An imported one that its first attempt settles bears no mark of it: where none bears one, all are counted.
    """
    query = (
        select(orders.c.status, func.count().label("number"))
        .where(orders.c.settled_at >= since)
        .group_by(orders.c.status)
        .order_by(func.count().desc())
    )
    found = connection.execute(query.where(HAD_WAITED)).all() or connection.execute(query).all()
    return {str(row.status): row.number for row in found}


def speaks_for_all(connection: Connection, clock: Clock) -> bool:
    """Whether this process is the oldest worker that lives: of fifty, one tells of what they share.

    Where nobody leaves heartbeats, every worker speaks.
    """
    oldest = connection.execute(
        select(workers.c.host, workers.c.pid)
        .where(is_alive(clock))
        .order_by(workers.c.started_at, workers.c.id)
        .limit(1)
    ).first()
    return oldest is None or (oldest.host, oldest.pid) == (socket.gethostname(), os.getpid())


def _between(since: datetime | None, until: datetime | None) -> float:
    return 0.0 if since is None or until is None else max(0.0, (until - since).total_seconds())
