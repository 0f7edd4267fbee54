"""How often hints that nobody has signed are followed: a stranger with a token cannot make the workers look all day."""

from sqlalchemy import Connection, delete, func, select

from breakwall.payments.db.clock import Clock
from breakwall.payments.db.insert_missing import insert_missing
from breakwall.payments.db.operator_tables import leases, payment_hints
from breakwall.payments.db.revisions import has_table

ORDER_PAUSE = 60.0
"""Seconds between two hints that are followed for one order."""

MOST_PER_SECOND = 5
"""Hints that are followed in one second, for all orders and by all processes together."""

_TURN = "payment_hints"  # The row of ``leases`` that makes counting and adding one step.


def take_turn(connection: Connection, clock: Clock, order_id: str) -> bool:
    """Within a running transaction: whether a hint for this order may be followed now. Then it is counted.

    Never before revision 0008, which brings the table.
    """
    if not has_table(connection, payment_hints.name):
        return False
    _wait_for_others(connection, clock)
    at = payment_hints.c.at
    connection.execute(delete(payment_hints).where(at <= clock.after(-ORDER_PAUSE)))
    lately = select(func.count()).select_from(payment_hints).where(at > clock.after(-1.0))
    if (connection.scalar(lately) or 0) >= MOST_PER_SECOND:
        return False
    taken = insert_missing(connection.dialect.name, payment_hints).values(
        order_id=order_id, at=clock.after(0)
    )
    return connection.execute(taken.returning(payment_hints.c.order_id)).first() is not None


def _wait_for_others(connection: Connection, clock: Clock) -> None:
    turn = insert_missing(connection.dialect.name, leases).values(name=_TURN, holder="", until=clock.after(0))
    connection.execute(turn)
    connection.execute(select(leases.c.name).where(leases.c.name == _TURN).with_for_update())
