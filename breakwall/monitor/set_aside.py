"""Counts the orders that are set aside for a person: in review, and dead. Nobody may ever clear them, so there may be
millions.
"""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, func, literal, literal_column, select, union_all

from breakwall.payments.db.schema import orders

STATES = ("review", "dead")
MANY = 2_000  # Orders of one state up to which each snapshot counts them all.

Money = dict[str, dict[str, int]]  # By state and currency, in minor units.


@dataclass(frozen=True, slots=True)
class SetAside:
    """``numbers`` by state, with the money by state and currency; ``is_all``: they are not lower bounds."""

    numbers: dict[str, int]
    money: Money
    is_all: bool = True


def count_some(connection: Connection) -> SetAside:
    """Count them, of each state at most `MANY` and one more, the newest."""
    return _count(connection, MANY)


def count_every(connection: Connection) -> SetAside:
    """Count them all, however long it takes."""
    return _count(connection, None)


def are_many(connection: Connection) -> bool:
    """Whether more than `MANY` orders have one of the states; an index alone answers."""
    return any(connection.scalar(_beyond(state)) is not None for state in STATES)


def _count(connection: Connection, limit: int | None) -> SetAside:
    money: Money = {state: {} for state in STATES}
    numbers = dict.fromkeys(STATES, 0)
    for row in connection.execute(_by_currency(None if limit is None else limit + 1)):
        money[row.status][row.currency] = int(row.amount)
        numbers[row.status] += row.number
    is_all = limit is None or all(number <= limit for number in numbers.values())
    return SetAside(numbers, money, is_all)


def _beyond(state: str) -> Select[Any]:
    newest = orders.c.created_at.desc()
    return select(literal(1)).where(_is(state)).order_by(newest).offset(MANY).limit(1)


def _by_currency(limit: int | None) -> Select[Any]:
    found = union_all(*(select(each) for each in (_newest(state, limit) for state in STATES))).subquery()
    number, amount = func.count().label("number"), func.sum(found.c.amount).label("amount")
    columns = (found.c.status, found.c.currency)
    return select(*columns, number, amount).group_by(*columns).order_by(*columns)


def _newest(state: str, limit: int | None) -> Any:
    # In the order of the index: without one, PostgreSQL may read the table for some of so many rows.
    wanted = select(orders.c.status, orders.c.currency, orders.c.amount).where(_is(state))
    return (wanted if limit is None else wanted.order_by(orders.c.created_at.desc()).limit(limit)).subquery()


def _is(state: str) -> Any:
    return orders.c.status == literal_column(f"'{state}'")
