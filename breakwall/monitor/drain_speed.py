"""How fast waiting orders were finished lately, from a bounded number of rows, and whether any can be."""

from sqlalchemy import Connection, func, literal_column, or_, select, text

from breakwall.payments.db.clock import Clock, seconds_between
from breakwall.payments.db.query_hints import once
from breakwall.payments.db.schema import orders

# The mean is of so many seconds, or of the last so many orders if those are later: a fast drain finishes as many in a
# moment, and a snapshot stays cheap.
LONGEST = 600.0
MOST = 2_000
LEAST_SPAN = 1.0  # Seconds; a shorter time gives no useful speed.


def mean_speed(connection: Connection, clock: Clock) -> float:
    """Waiting orders that were finished in one second, in the mean of the last minutes; 0.0: none was."""
    lately = (
        select(orders.c.settled_at)
        .where(
            # With an upper end, too, PostgreSQL expects few rows; without it, a third of the table.
            orders.c.settled_at.between(once(clock.after(-LONGEST)), once(clock.after(LONGEST))),
            orders.c.status != literal_column("'cancelled'"),
            or_(orders.c.retry_count > 0, orders.c.deferral_count > 0),
        )
        .order_by(orders.c.settled_at.desc())
        .limit(MOST)
        .subquery()
    )
    first = func.min(lately.c.settled_at).label("first")
    row = connection.execute(
        select(clock.after(0).label("now"), func.count(lately.c.settled_at).label("number"), first)
    ).one()
    return float(row.number) / max(seconds_between(row.first, row.now), LEAST_SPAN)


def is_read_only(connection: Connection) -> bool:
    """Whether the server of PostgreSQL takes no writes: a standby, or set so. Of SQLite's file it is not known."""
    if connection.dialect.name != "postgresql":
        return False
    setting = "current_setting('default_transaction_read_only') = 'on'"
    return bool(connection.scalar(text(f"SELECT pg_is_in_recovery() OR {setting}")))
