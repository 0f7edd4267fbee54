from __future__ import annotations

from sqlalchemy import select

from breakwall.access.sessions import LIFE, begin_session, end_session, token_of_session
from breakwall.payments.db.database import Database
from breakwall.payments.db.operator_tables import browser_sessions
from tests.manual_clock import ManualClock

TOKEN = "f" * 64


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
