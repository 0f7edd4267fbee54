"""Reads how far an order has come from its row and its attempts' rows."""

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, bindparam, case, func, or_, select

from breakwall.payments.db.clock import Clock, seconds_between
from breakwall.payments.db.revisions import existing_columns
from breakwall.payments.db.schema import attempts, orders
from breakwall.payments.decisions import FINAL_STATES, Progress
from breakwall.payments.gateways.base import Advice
from breakwall.payments.ledger.attempt_conditions import (
    KEY_CONFLICT,
    REFUSED,
    REJECTED,
    SPENDS_KEY,
    UNRESOLVED,
)
from breakwall.payments.orders import OrderStatus


def progress_of(connection: Connection, clock: Clock, order_id: str, *, lease: float) -> Progress:
    """What a claim on the order would begin with now. ``lease``: seconds, as in `Ledger`."""
    columns = (*existing_columns(connection, orders), clock.after(0).label("now"))
    wanted = select(*columns).where(orders.c.id == order_id)
    return read_progress(connection, connection.execute(wanted).one(), lease)[0]


def read_progress(connection: Connection, order: Row[Any], lease: float) -> tuple[Progress, str | None]:
    """How far an order has come, and the id of the charge that was prepared under its key.

    ``order``: its row, and the database's time as ``now``.
    """
    values = {name: getattr(order, name) for name in ("id", "charge_key", "attempt_floor", "now")}
    sent = connection.execute(_SUMMARY, values).one()
    doubtful_since = [moment for moment in (sent.unresolved_at, order.suspected_at) if moment is not None]
    progress = Progress(
        retries=order.retry_count - order.retry_floor,
        lookups=order.look_up_count - order.look_up_floor,
        key_rotations=order.key_rotations,
        unresolved=bool(doubtful_since),
        unresolved_age=seconds_between(max(doubtful_since, default=None), order.now),
        stored_errors=sent.stored_errors,
        key_spent=sent.spent > 0,
        key_age=_key_age(sent.since, order.now, lease),
        cancel_requested=order.cancel_requested,
        declined=sent.declined > 0,
        key_conflict=sent.key_conflicts > 0,
        suspected=order.suspected_at is not None,
        refused=sent.refused > 0,
        still_running=sent.running is not None and sent.running == order.attempt_count,
        turned_away=sent.turned_away is not None and sent.turned_away == order.attempt_count,
        looked_up=_is_later(order.looked_up_at, sent.last_ended),
        prepared=sent.prepared is not None and not sent.unprepared and order.suspected_at is None,
        expired=_has_passed(order.charge_before, order.now),
    )
    return progress, sent.prepared


def _number_of(*conditions: ColumnElement[bool]) -> ColumnElement[int]:
    return func.count(case((and_(*conditions), 1)))


_KEY_IN_USE = attempts.c.gateway_key == bindparam("charge_key")
_DECLINED = attempts.c.outcome.in_(
    [outcome for outcome, status in FINAL_STATES.items() if status is OrderStatus.DECLINED]
)
_ENDED = func.coalesce(attempts.c.finished_at, bindparam("now", type_=attempts.c.finished_at.type))

_PREPARED = case((_KEY_IN_USE, attempts.c.prepared))
_STILL_RUNNING = func.coalesce(attempts.c.advice, "") == Advice.LOOK_AGAIN

# What an order's attempts say, in one row.
_SUMMARY = select(
    func.min(case((_KEY_IN_USE, attempts.c.started_at))).label("since"),
    func.max(case((UNRESOLVED, _ENDED))).label("unresolved_at"),
    func.max(_ENDED).label("last_ended"),
    func.max(case((or_(REFUSED, REJECTED), attempts.c.number))).label("turned_away"),
    func.max(case((and_(UNRESOLVED, _STILL_RUNNING), attempts.c.number))).label("running"),
    _number_of(UNRESOLVED, SPENDS_KEY, ~REFUSED).label("stored_errors"),
    _number_of(UNRESOLVED, SPENDS_KEY).label("spent"),
    _number_of(UNRESOLVED, KEY_CONFLICT).label("key_conflicts"),
    _number_of(REFUSED, attempts.c.number > bindparam("attempt_floor")).label("refused"),
    _number_of(_DECLINED).label("declined"),
    func.max(_PREPARED).label("prepared"),
    _number_of(UNRESOLVED, _PREPARED.is_(None)).label("unprepared"),
).where(attempts.c.order_id == bindparam("id"))


def _has_passed(moment: datetime | None, now: datetime) -> bool:
    return moment is not None and moment <= now


def _is_later(moment: datetime | None, than: datetime | None) -> bool:
    return moment is not None and (than is None or moment > than)


def _key_age(since: datetime | None, now: datetime, lease: float) -> float:
    # An attempt begins within this lease, and its call ends within a lease of its own.
    return 0.0 if since is None else seconds_between(since, now) + 2 * lease
