"""The right to work on an order, what it starts from, and the attempts that are made under it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, case, exists, func, insert, or_, select

from breakwall.payments.db.clock import Clock
from breakwall.payments.db.schema import IN_FLIGHT, attempts, orders
from breakwall.payments.decisions import Progress
from breakwall.payments.gateways.base import ChargeRequest, Outcome
from breakwall.payments.keys import derive_order_id
from breakwall.payments.ledger.attempt_conditions import (
    LEADS_ELSEWHERE,
    REFUSED,
    REJECTED,
    SPENDS_KEY,
    UNSETTLED,
)

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


def forbids_sending(order_id: str) -> ColumnElement[bool]:
    """The condition that an answer has come after which nothing is sent: a decline, or one that tells of what is not
    the order's."""
    wrong = and_(UNSETTLED, LEADS_ELSEWHERE)
    return exists().where(attempts.c.order_id == order_id, or_(attempts.c.outcome == Outcome.DECLINED, wrong))


def claim_of(connection: Connection, taken: Row[Any], *, site: str, lease: float) -> Claim:
    """The claim on an order that was just taken. ``taken``: its row, and the database's ``now``."""
    # An order from before keeps the body that it was sent with: with another one its key is another payload's.
    is_derived = taken.id == derive_order_id(site, taken.idempotency_key)
    reference = taken.idempotency_key if is_derived else None
    request = ChargeRequest(
        taken.id, taken.user_id, taken.amount, taken.currency, taken.charge_key, reference
    )
    return Claim(request, taken.fence, _progress(connection, taken, lease))


def progress_of(connection: Connection, clock: Clock, order_id: str, *, lease: float) -> Progress:
    """How far an order has come: what a claim on it would begin with now. ``lease``: seconds, as in `Ledger`."""
    wanted = select(orders, clock.after(0).label("now")).where(orders.c.id == order_id)
    return _progress(connection, connection.execute(wanted).one(), lease)


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
    sent = connection.execute(_sent(order)).one()
    doubtful_since = [moment for moment in (sent.unsettled_at, order.suspected_at) if moment is not None]
    return Progress(
        retries=order.retry_count - order.retry_floor,
        look_ups=order.look_up_count - order.look_up_floor,
        renewals=order.renewals,
        unsettled=bool(doubtful_since),
        unsettled_age=_seconds(max(doubtful_since, default=None), order.now),
        stored_errors=sent.stored_errors,
        key_spent=sent.spent > 0,
        key_age=_key_age(sent.since, order.now, lease),
        cancel_requested=order.cancel_requested,
        declined=sent.declined > 0,
        disputed=sent.disputed > 0,
        suspected=order.suspected_at is not None,
        refused=sent.refused > 0,
        turned_away=sent.turned_away is not None and sent.turned_away == order.attempt_count,
        looked_up=_is_later(order.looked_up_at, sent.last_ended),
    )


def _sent(order: Row[Any]) -> Select[Any]:
    """What an order's attempts say, in one row."""
    ended = func.coalesce(attempts.c.finished_at, order.now)
    since_retry = attempts.c.number > order.attempt_floor

    def number_of(*conditions: ColumnElement[bool]) -> ColumnElement[int]:
        return func.count(case((and_(*conditions), 1)))

    return select(
        func.min(case((attempts.c.gateway_key == order.charge_key, attempts.c.started_at))).label("since"),
        func.max(case((UNSETTLED, ended))).label("unsettled_at"),
        func.max(ended).label("last_ended"),
        func.max(case((or_(REFUSED, REJECTED), attempts.c.number))).label("turned_away"),
        number_of(UNSETTLED, SPENDS_KEY, ~REFUSED).label("stored_errors"),
        number_of(UNSETTLED, SPENDS_KEY).label("spent"),
        number_of(UNSETTLED, LEADS_ELSEWHERE).label("disputed"),
        number_of(REFUSED, since_retry).label("refused"),
        number_of(attempts.c.outcome == Outcome.DECLINED).label("declined"),
    ).where(attempts.c.order_id == order.id)


def _is_later(moment: datetime | None, than: datetime | None) -> bool:
    return moment is not None and (than is None or moment > than)


def _key_age(since: datetime | None, now: datetime, lease: float) -> float:
    # An attempt begins within this lease, and its call ends within the lease of its own.
    return 0.0 if since is None else _seconds(since, now) + 2 * lease


def _seconds(since: datetime | None, now: datetime) -> float:
    return 0.0 if since is None else max(0.0, (now - since).total_seconds())
