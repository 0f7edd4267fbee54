"""Statements that are built once, without a database and on one in memory."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import Select, create_engine, select

from breakwall.payments.db.clock import Clock
from breakwall.payments.db.statements import KEPT, built_once, seconds
from tests.manual_clock import ManualClock

built: list[Clock] = []


@built_once
def soon(clock: Clock) -> Select[object]:
    built.append(clock)
    return select(clock.after(seconds("wait")), clock.after(0))


def test_a_statement_is_built_once_for_a_clock() -> None:
    one, other = ManualClock(), ManualClock()
    assert soon(one) is soon(one)
    assert soon(one) is not soon(other)
    assert built[-2:] == [one, other]


def test_it_reads_its_clock_and_its_parameters_at_each_execution() -> None:
    clock = ManualClock()
    start = clock.now
    with create_engine("sqlite://").connect() as connection:
        assert connection.execute(soon(clock), {"wait": 5}).one() == (start + timedelta(seconds=5), start)
        clock.advance(60)
        later = clock.now
        assert connection.execute(soon(clock), {"wait": 7}).one() == (later + timedelta(seconds=7), later)


def test_many_clocks_do_not_fill_the_memory() -> None:
    first = ManualClock()
    kept = soon(first)
    for _ in range(KEPT):
        soon(ManualClock())
    assert soon(first) is not kept
