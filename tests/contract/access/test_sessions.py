from __future__ import annotations

from sqlalchemy import select

from breakwall.access.sessions import (
    LIFE,
    MOST_OF_A_TOKEN,
    begin_session,
    end_session,
    is_cookie,
    read_sessions,
)
from breakwall.access.tokens import digest_of
from breakwall.payments.db.database import Database
from breakwall.payments.db.operator_tables import browser_sessions
from tests.manual_clock import ManualClock

TOKEN = "f" * 64


def token_of_session(database: Database, cookie: str, *, clock: ManualClock) -> str | None:
    found = database.read(lambda connection: read_sessions(connection, clock)).get(digest_of(cookie))
    return None if found is None else found.token_digest


def rows(database: Database) -> list[str]:
    return [str(row) for row in database.read(lambda found: found.execute(select(browser_sessions)).all())]


def test_a_cookie_leads_to_the_token_and_is_stored_nowhere(database: Database, clock: ManualClock) -> None:
    cookie = begin_session(database, TOKEN, clock=clock)
    assert token_of_session(database, cookie, clock=clock) == TOKEN
    assert cookie not in "".join(rows(database))


def test_another_cookie_leads_to_none(database: Database, clock: ManualClock) -> None:
    cookie = begin_session(database, TOKEN, clock=clock)
    for other in (cookie[:-1], cookie + "x", cookie.swapcase(), "", "x" * 43):
        assert token_of_session(database, other, clock=clock) is None


def test_a_session_ends_after_half_a_day(database: Database, clock: ManualClock) -> None:
    cookie = begin_session(database, TOKEN, clock=clock)
    clock.advance(LIFE - 1)
    assert token_of_session(database, cookie, clock=clock) == TOKEN
    clock.advance(1)
    assert token_of_session(database, cookie, clock=clock) is None


def test_signing_in_deletes_what_has_expired(database: Database, clock: ManualClock) -> None:
    begin_session(database, TOKEN, clock=clock)
    clock.advance(LIFE)
    begin_session(database, TOKEN, clock=clock)
    assert len(rows(database)) == 1


def test_signing_out_ends_this_session_alone(database: Database, clock: ManualClock) -> None:
    ended, other = (begin_session(database, TOKEN, clock=clock) for _ in range(2))
    end_session(database, ended)
    assert token_of_session(database, ended, clock=clock) is None
    assert token_of_session(database, other, clock=clock) == TOKEN


def test_a_session_says_how_long_it_lasts_and_does_not_show_its_token(
    database: Database, clock: ManualClock
) -> None:
    begin_session(database, TOKEN, clock=clock)
    clock.advance(60.0)
    [found] = database.read(lambda connection: read_sessions(connection, clock)).values()
    assert found.seconds_left == LIFE - 60.0
    assert TOKEN not in repr(found)


def test_a_token_has_a_bounded_number_of_browsers_and_the_oldest_is_signed_out(
    database: Database, clock: ManualClock
) -> None:
    cookies = []
    for _ in range(MOST_OF_A_TOKEN + 1):
        cookies.append(begin_session(database, TOKEN, clock=clock))
        clock.advance(1.0)
    other = begin_session(database, "e" * 64, clock=clock)
    assert len(rows(database)) == MOST_OF_A_TOKEN + 1
    assert token_of_session(database, cookies[0], clock=clock) is None
    assert all(token_of_session(database, cookie, clock=clock) for cookie in (*cookies[1:], other))


def test_only_what_looks_like_a_cookie_is_looked_up(database: Database) -> None:
    assert is_cookie(begin_session(database, TOKEN))
    assert not any(is_cookie(text) for text in ("", "x", "x" * 44, "x" * 42 + "\n", "é" * 43))
