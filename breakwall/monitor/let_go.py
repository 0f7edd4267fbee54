"""How long ago the drain was let go: a pause or an override ended, or the circuit let calls through again.

Before that, no order could be finished, so for `GRACE` afterwards a standstill is no fault: workers notice the end
within seconds, and the first order needs its time.
"""

import math

from sqlalchemy import Connection, select

from breakwall.breaker import BreakerStatus
from breakwall.breaker.circuit.clock_adjustment import CLOCK_TOLERANCE
from breakwall.monitor.order_counts import DRAIN_WINDOW
from breakwall.payments.db.clock import Clock, seconds_between
from breakwall.payments.db.schema import drain_actions, drain_control
from breakwall.payments.interventions import DrainAction

# Seconds. As long as the time in which a finished order shows that the drain moves.
GRACE = DRAIN_WINDOW


def seconds_since_control(connection: Connection, clock: Clock) -> float:
    """Since a person last paused or resumed the drain, or its pause ended by itself; ∞: never, or long ago.

    Within a running transaction.
    """
    row = connection.execute(select(clock.after(0).label("now"), _LAST_PAUSE, _PAUSED_UNTIL)).one()
    # A moment later than now is from before the clock was set back: nothing is hidden until it is that late again.
    moments = [at for at in (row.acted_at, row.paused_until) if at is not None and at <= row.now]
    return seconds_between(max(moments), row.now) if moments else math.inf


# A new rate lets nothing go: a program that sets one every minute must not hide a standstill. Only the newest actions
# are read, however many there are.
_NEWEST = select(drain_actions).order_by(drain_actions.c.id.desc()).limit(20).subquery()
_LAST_PAUSE = (
    select(_NEWEST.c.at)
    .where(_NEWEST.c.action != DrainAction.RATE)
    .order_by(_NEWEST.c.id.desc())
    .limit(1)
    .scalar_subquery()
    .label("acted_at")
)
# It stays when a pause has ended by itself. The next pause and a person's resume replace it.
_PAUSED_UNTIL = select(drain_control.c.paused_until).limit(1).scalar_subquery().label("paused_until")


def seconds_since_let_go(since_control: float, breaker: BreakerStatus) -> float:
    """Since the drain was last let go, by people or by the circuit; ∞: it never was held."""
    if breaker.passing_since is None:
        return since_control
    passing_for = breaker.store_time - breaker.passing_since
    if passing_for < -CLOCK_TOLERANCE:  # The store's clock was set back.
        return since_control
    return min(since_control, max(passing_for, 0.0))
