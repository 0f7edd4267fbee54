"""What the rules ask of an attempt's row, as SQL conditions.

They read columns, never the wording of a text. A process of the version before leaves the new columns empty; for
its rows the codes and texts that it wrote stand in, which is all that they are for.
"""

from __future__ import annotations

from sqlalchemy import ColumnElement, and_, case, false, func, or_

from breakwall.payments.db.schema import SettledBy, attempts, orders
from breakwall.payments.gateways.base import Advice, Outcome

_columns = attempts.c
_EMPTY = _columns.advice.is_(None)
_TOLD = func.coalesce(_columns.detail, "")
_CODE = func.coalesce(_columns.code, "")
_SETTING = "BREAKWALL_PAYMENT_URL."

UNSETTLED = or_(_columns.outcome.is_(None), _columns.outcome == Outcome.UNKNOWN)
"""It may have charged."""

_BY_PERSON_BEFORE = _TOLD.startswith("Resolved by")
_BY_LOOK_UP_BEFORE = _TOLD.startswith("Looked up afterwards")
_PROVEN_BEFORE = or_(_BY_PERSON_BEFORE, _BY_LOOK_UP_BEFORE)
_REJECTED_BEFORE = or_(
    _TOLD.endswith(_SETTING),
    _CODE.in_(["http_401", "http_403", "http_404", "http_405", "http_407", "http_421"]),
)
_REFUSED_BEFORE = and_(
    _columns.outcome == Outcome.FAILED,
    _columns.settled_by.is_(None),
    ~or_(_PROVEN_BEFORE, _REJECTED_BEFORE),
    _CODE != "http_425",
)


def _said(column: ColumnElement[bool], before: ColumnElement[bool]) -> ColumnElement[bool]:
    # Never NULL: the opposite of it is asked for, too.
    return case((_EMPTY, func.coalesce(before, false())), else_=func.coalesce(column, false()))


SPENDS_KEY = _said(
    _columns.spends_key,
    or_(_CODE.startswith("http_5"), _CODE == "http_422", _REFUSED_BEFORE),
)
"""The service may have stored its answer under the attempt's key, and may give it again for ever."""

LEADS_ELSEWHERE = _said(_columns.advice == Advice.REVIEW, _CODE == "http_422")
"""Its key leads to what is not the order's: another payload, or another order's charge. A look-up under it would
find that again, so only a person ends such an order."""

REFUSED = _said(_columns.advice == Advice.STOP, _REFUSED_BEFORE)
"""The service will never take the request as it is."""

REJECTED = _said(_columns.advice == Advice.RECONFIGURE, _REJECTED_BEFORE)
"""Only other settings bring about another answer."""

# This column is filled by whoever settles an attempt, also one that a process of the version before has written.
PROVEN_OTHERWISE = or_(
    func.coalesce(_columns.settled_by, "").in_([SettledBy.LOOK_UP, SettledBy.PERSON]),
    and_(_EMPTY, _columns.settled_by.is_(None), _PROVEN_BEFORE),
)
"""A look-up, or a person, has said what became of it."""

ORDER_REJECTED = or_(
    orders.c.rejected, and_(orders.c.rejected.is_(None), orders.c.last_error.like(f"%{_SETTING}"))
)
"""Orders of which only other settings bring about another answer than the last one."""
