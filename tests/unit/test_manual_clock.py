"""Each clock that a test moves is its own, although it uses the statements of an earlier test's."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import create_engine, select

from breakwall.payments.db.statements import seconds
from tests.manual_clock import ManualClock, Places

FIRST, SECOND = datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)


def test_two_clocks_of_a_test_show_times_of_their_own() -> None:
    clocks = ManualClock(FIRST), ManualClock(SECOND)
    statements = [select(clock.after(seconds("wait"))) for clock in clocks]
    with create_engine("sqlite://").connect() as connection:
        shown = [connection.scalar(statement, {"wait": 0.0}) for statement in statements]
        assert shown == [FIRST, SECOND]
        clocks[0].advance(60)
        assert connection.scalar(statements[0], {"wait": -60.0}) == FIRST
    assert clocks[0] != clocks[1]


@pytest.fixture
def places() -> Places:
    return Places()


def clock_in(places: Places, moment: datetime) -> tuple[ManualClock, int]:
    clock = ManualClock(moment)
    return clock, places.take(clock)


def test_the_next_tests_clock_takes_the_place_of_the_last_ones(places: Places) -> None:
    places.begin_test()
    last, place = clock_in(places, FIRST)
    places.end_test()
    places.begin_test()
    clock, its = clock_in(places, SECOND)
    assert its == place
    assert places.now(place) == clock.now == SECOND
    assert last.now == FIRST


def test_a_clock_of_several_tests_keeps_its_place(places: Places) -> None:
    places.begin_test()
    with places.for_longer():
        lasting, place = clock_in(places, FIRST)
    kept = [lasting]
    for _ in range(2):
        places.begin_test()
        kept.append(clock_in(places, SECOND)[0])
        places.end_test()
    kept.append(clock_in(places, SECOND)[0])
    assert places.now(place) == FIRST


def test_a_clock_that_is_gone_shows_no_time(places: Places) -> None:
    _, place = clock_in(places, FIRST)
    del _
    with pytest.raises(KeyError):
        places.now(place)
