"""What one process at a time does, by a lease in the database. Another process takes it over when it has run out."""

from sqlalchemy import ColumnElement, Connection, and_, not_, or_, select, update

from breakwall.payments.db.clock import Clock
from breakwall.payments.db.insert_missing import insert_missing
from breakwall.payments.db.operator_tables import leases
from breakwall.payments.db.revisions import has_table

LONGEST = 60.0  # Seconds; every lease is shorter.


def take_lease(connection: Connection, clock: Clock, name: str, holder: str, *, seconds: float) -> bool:
    """Within a running transaction: take the lease, or keep it for another ``seconds``; False if another holds it.

    ``holder``: the id of this process. It may be short of the lease's time only by its own pauses: what is done under
    a lease must be safe if two processes do it for a moment. False before revision 0008, which brings the table.
    """
    if not has_table(connection, leases.name):
        return False
    until = clock.after(seconds)
    free = or_(leases.c.holder == holder, not_(_holds(clock)))
    taken = update(leases).where(leases.c.name == name, free).values(holder=holder, until=until)
    if connection.execute(taken).rowcount:
        return True
    first = insert_missing(connection.dialect.name, leases).values(name=name, holder=holder, until=until)
    # PostgreSQL's driver does not count the rows of such an INSERT.
    return connection.execute(first.returning(leases.c.name)).first() is not None


def give_up_lease(connection: Connection, clock: Clock, name: str, holder: str) -> None:
    """Let another process take it at once."""
    if has_table(connection, leases.name):
        mine = leases.c.name == name, leases.c.holder == holder
        connection.execute(update(leases).where(*mine).values(until=clock.after(0)))


def is_held_by_another(connection: Connection, clock: Clock, name: str, holder: str) -> bool:
    """Whether `take_lease` would give False now. It only reads. True before revision 0008."""
    if not has_table(connection, leases.name):
        return True
    others = leases.c.name == name, leases.c.holder != holder, _holds(clock)
    return connection.execute(select(leases.c.name).where(*others)).first() is not None


def _holds(clock: Clock) -> ColumnElement[bool]:
    # A lease of the far future is from before the database's clock was set back.
    return and_(leases.c.until > clock.after(0), leases.c.until <= clock.after(LONGEST))
