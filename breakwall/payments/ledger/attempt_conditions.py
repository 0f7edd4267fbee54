"""The rules' questions about an attempt's row, as SQL conditions.

They read columns, never the wording of a text. A process of the previous version leaves the new columns empty. Only for
its rows they read the codes and texts that it wrote.
"""

from sqlalchemy import ColumnElement, and_, case, false, func, not_, or_

from breakwall.payments.db.schema import ResolvedBy, attempts, orders
from breakwall.payments.gateways.base import Advice, Outcome

_columns = attempts.c
_EMPTY = _columns.advice.is_(None)
_DETAIL = func.coalesce(_columns.detail, "")
_CODE = func.coalesce(_columns.code, "")
_SETTING = "BREAKWALL_PAYMENT_URL."

# The rules about outcomes, see `Outcome`.
FINAL = _columns.outcome.in_([outcome for outcome in Outcome if outcome.is_final])
UNPROCESSED = _columns.outcome.in_([outcome for outcome in Outcome if outcome.is_unprocessed])
PROVES_NO_CHARGE = _columns.outcome.in_([outcome for outcome in Outcome if outcome.proves_no_charge])

# It may have charged. So may an attempt whose outcome only a newer release knows.
UNRESOLVED = or_(_columns.outcome.is_(None), not_(or_(FINAL, PROVES_NO_CHARGE)))

_RESOLVED_BEFORE = or_(_DETAIL.startswith("Resolved by"), _DETAIL.startswith("Looked up afterwards"))
_REJECTED_BEFORE = or_(
    _DETAIL.endswith(_SETTING),
    _CODE.in_(["http_401", "http_403", "http_404", "http_405", "http_407", "http_421"]),
)
_REFUSED_BEFORE = and_(
    _columns.outcome == Outcome.FAILED,
    _columns.settled_by.is_(None),
    ~or_(_RESOLVED_BEFORE, _REJECTED_BEFORE),
    _CODE != "http_425",
)


def _column_or(column: ColumnElement[bool], before: ColumnElement[bool]) -> ColumnElement[bool]:
    # Never NULL, because the conditions are negated too.
    return case((_EMPTY, func.coalesce(before, false())), else_=func.coalesce(column, false()))


# The service may have stored its answer under the attempt's key, and may replay it for ever.
SPENDS_KEY = _column_or(
    _columns.spends_key, or_(_CODE.startswith("http_5"), _CODE == "http_422", _REFUSED_BEFORE)
)

# Its key belongs to another payload, or its answer names another order's charge. A look-up by the key would find
# that charge again, so only a person finishes such an order.
KEY_CONFLICT = _column_or(_columns.advice == Advice.REVIEW, _CODE == "http_422")

# The service will never accept the request as it is.
REFUSED = _column_or(_columns.advice == Advice.STOP, _REFUSED_BEFORE)

# The answer stays the same until the settings are corrected.
REJECTED = _column_or(_columns.advice == Advice.RECONFIGURE, _REJECTED_BEFORE)

# A look-up or a person has given the outcome. This version writes `settled_by` for attempts of the previous one, too,
# so the column is read even if `advice` is empty.
RESOLVED_LATER = or_(
    func.coalesce(_columns.settled_by, "").in_([ResolvedBy.LOOK_UP, ResolvedBy.PERSON]),
    and_(_EMPTY, _columns.settled_by.is_(None), _RESOLVED_BEFORE),
)

# Orders whose last answer stays the same until the settings are corrected.
ORDER_REJECTED = or_(
    orders.c.rejected, and_(orders.c.rejected.is_(None), orders.c.last_error.like(f"%{_SETTING}"))
)
