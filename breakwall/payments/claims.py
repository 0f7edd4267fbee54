"""The right to work on an order, what it starts from, and the attempts that are made under it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import ColumnElement, Connection, Row, and_, case, exists, func, insert, select

from breakwall.payments.clock import Clock
from breakwall.payments.decisions import Progress
from breakwall.payments.gateways.base import ChargeRequest, Outcome
from breakwall.payments.schema import IN_FLIGHT, OTHER_PAYLOAD, STORED_ERROR, UNSETTLED, attempts, orders

Source = Literal["producer", "worker"]


@dataclass(frozen=True, slots=True)
class Claim:
    """The exclusive right to work on an order until the lease runs out."""

    request: ChargeRequest
    fence: int
    progress: Progress

    @property
    def order_id(self) -> str:
        return self.request.order_id


@dataclass(frozen=True, slots=True)
class Attempt:
    """One request that may now be sent: its row is committed. ``claim.progress`` counts it."""

    claim: Claim
    number: int


def held(claim: Claim) -> tuple[ColumnElement[bool], ...]:
    """The condition that nobody has claimed the order since, for an UPDATE of it."""
    return (
        orders.c.id == claim.order_id,
        and_(orders.c.status == IN_FLIGHT, orders.c.fence == claim.fence),
    )


def was_declined(order_id: str) -> ColumnElement[bool]:
    """The condition that the payment service has declined one of the order's attempts."""
    declined = attempts.c.outcome == Outcome.DECLINED
    return exists().where(attempts.c.order_id == order_id, declined)


def claim_of(connection: Connection, taken: Row[Any], *, lease: float) -> Claim:
    """The claim on an order that was just taken. ``taken``: its row, and the database's ``now``."""
    request = ChargeRequest(taken.id, taken.user_id, taken.amount, taken.currency, taken.charge_key)
    return Claim(request, taken.fence, _progress(connection, taken, lease))


def insert_attempt(
    connection: Connection, clock: Clock, claim: Claim, number: int, source: Source
) -> Attempt:
    """Write an attempt's row. It may be sent once the transaction is committed."""
    connection.execute(
        insert(attempts).values(
            order_id=claim.order_id,
            number=number,
            source=source,
            fence=claim.fence,
            gateway_key=claim.request.idempotency_key,
            started_at=clock.after(0),
        )
    )
    return Attempt(claim, number)


def _progress(connection: Connection, order: Row[Any], lease: float) -> Progress:
    ended = func.coalesce(attempts.c.finished_at, order.now)
    answered = and_(UNSETTLED, STORED_ERROR)
    sent = connection.execute(
        select(
            func.min(case((attempts.c.gateway_key == order.charge_key, attempts.c.started_at))).label(
                "since"
            ),
            func.max(case((UNSETTLED, ended))).label("unsettled_at"),
            func.count(case((answered, 1))).label("stored_errors"),
            func.count(case((attempts.c.outcome == Outcome.DECLINED, 1))).label("declined"),
            func.count(case((and_(UNSETTLED, OTHER_PAYLOAD), 1))).label("disputed"),
        ).where(attempts.c.order_id == order.id)
    ).one()
    return Progress(
        retries=order.retry_count - order.retry_floor,
        look_ups=order.look_up_count - order.look_up_floor,
        unsettled=sent.unsettled_at is not None,
        unsettled_age=_seconds(sent.unsettled_at, order.now),
        stored_errors=sent.stored_errors,
        key_age=_key_age(sent.since, order.now, lease),
        cancel_requested=order.cancel_requested,
        declined=sent.declined > 0,
        disputed=sent.disputed > 0,
    )


def _key_age(since: datetime | None, now: datetime, lease: float) -> float:
    # An attempt begins within this lease, and its call ends within the lease of its own.
    return 0.0 if since is None else _seconds(since, now) + 2 * lease


def _seconds(since: datetime | None, now: datetime) -> float:
    return 0.0 if since is None else max(0.0, (now - since).total_seconds())
