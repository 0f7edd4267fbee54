from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from breakwall.access import known_tokens
from breakwall.access.known_tokens import LONGEST, KnownTokens
from breakwall.access.scopes import ALL_SCOPES
from breakwall.access.sessions import LIFE, begin_session, end_session
from breakwall.access.shared_read import REREAD
from breakwall.access.stored_tokens import TokensRead, create_token, list_tokens, revoke_token
from breakwall.access.tokens import digest_of, new_token
from breakwall.api_tokens import ConfiguredToken
from breakwall.payments.db.database import Database, DatabaseUnavailableError
from tests.contract.people import ANNA
from tests.manual_clock import ManualClock


class Process:
    """A process that knows tokens, and a clock for it and the database."""

    def __init__(self, database: Database, clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> None:
        self.database = database
        self.clock = clock
        self.seconds = 0.0
        self.reads = 0
        self.behind: list[Callable[[], None]] = []
        self.token = create_token(database, "shop", ALL_SCOPES, ANNA, clock=clock)
        self.known = self.new()
        self._read = database.read
        self._monkeypatch = monkeypatch
        monkeypatch.setattr(database, "read", self.read)

    def new(self, *configured: ConfiguredToken) -> KnownTokens:
        return KnownTokens(
            self.database,
            configured,
            clock=self.clock,
            monotonic=lambda: self.seconds,
            run_behind=self.behind.append,
            run_read=lambda work: work(),
        )

    def advance(self, seconds: float) -> None:
        self.seconds += seconds
        self.clock.advance(seconds)

    def read(self, work: Callable[..., object]) -> object:
        self.reads += 1
        return self._read(work)

    def database_is_down(self) -> None:
        def fail(work: object) -> None:
            self.reads += 1
            raise DatabaseUnavailableError("it is down")

        self._monkeypatch.setattr(self.database, "read", fail)

    def knows(self, token: str | None = None) -> bool:
        self.known.refresh()
        return self.known.find(token or self.token) is not None


@pytest.fixture
def process(database: Database, clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> Process:
    return Process(database, clock, monkeypatch)


def test_a_valid_token_is_found_and_another_is_not(process: Process) -> None:
    assert process.knows()
    assert not process.knows(new_token())
    assert not process.knows(process.token[:-1])
    assert not process.knows(digest_of(process.token))


def test_many_requests_cost_one_read(process: Process) -> None:
    assert all(process.knows() for _ in range(100))
    assert process.reads == 1


def test_a_token_is_found_at_once_only_while_nothing_has_to_be_read(process: Process) -> None:
    assert process.known.find_at_once(process.token) is None
    process.known.refresh()
    assert process.known.find_at_once(process.token) is not None
    process.advance(REREAD)
    assert process.known.find_at_once(process.token) is None
    assert process.reads == 1


def test_a_revoked_token_is_refused_within_seconds(process: Process) -> None:
    assert process.knows()
    revoke_token(process.database, "shop", ANNA, clock=process.clock)
    process.advance(REREAD)
    assert not process.knows()


def test_a_token_is_refused_from_the_moment_on_at_which_it_expires(process: Process) -> None:
    short = create_token(process.database, "short", ALL_SCOPES, ANNA, lasting=2.0, clock=process.clock)
    assert process.knows(short)
    process.advance(1.9)
    assert process.knows(short)
    process.advance(0.2)
    assert not process.knows(short)
    assert process.reads == 1


def test_a_new_token_is_found_by_a_read_that_began_after_the_request(process: Process) -> None:
    assert process.knows()
    new = create_token(process.database, "new", ALL_SCOPES, ANNA, clock=process.clock)
    assert not process.knows(new)
    process.advance(0.1)
    assert process.known.refresh(since=process.seconds)
    assert process.known.find(new)


def test_what_was_read_counts_for_a_minute_while_the_database_is_down(process: Process) -> None:
    assert process.knows()
    process.database_is_down()
    process.advance(LONGEST - 1)
    assert process.knows()
    process.advance(1)
    assert not process.knows()


def test_a_configured_token_needs_no_database(process: Process) -> None:
    process.database_is_down()
    token = new_token()
    known = process.new(ConfiguredToken("env", ALL_SCOPES, digest_of(token)))
    found = known.find_at_once(token)
    assert found is not None
    assert found.name == "env"
    assert known.are_required()
    assert process.reads == 0


def test_while_the_database_is_down_it_is_asked_once_a_second(process: Process) -> None:
    process.database_is_down()
    assert not any(process.known.refresh(since=process.seconds) for _ in range(50))
    assert process.reads == 1
    process.advance(1.0)
    assert not process.known.refresh()
    assert process.reads == 2


def test_whether_tokens_are_required_is_not_guessed(process: Process) -> None:
    process.database_is_down()
    with pytest.raises(DatabaseUnavailableError):
        process.known.are_required()
    with pytest.raises(DatabaseUnavailableError):
        process.known.has_any()


def test_tokens_stay_required_after_the_last_was_revoked(process: Process) -> None:
    revoke_token(process.database, "shop", ANNA, clock=process.clock)
    assert process.known.are_required()
    assert not process.known.has_any()


def test_tokens_stay_required_after_the_database_was_taken_back(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert process.known.are_required()
    monkeypatch.setattr(known_tokens, "read_tokens", lambda *_: TokensRead((), any_ever=False))
    process.advance(REREAD)
    assert process.known.are_required()
    assert not process.known.has_any()


def test_a_browser_is_known_by_the_same_read(process: Process) -> None:
    cookie = begin_session(process.database, digest_of(process.token), clock=process.clock)
    process.known.refresh()
    found = process.known.find_session(cookie)
    assert found is not None
    assert found.name == "shop"
    assert process.known.find_session(secrets.token_urlsafe(32)) is None
    assert process.reads == 1


def test_what_this_process_has_changed_is_read_again_at_once(process: Process) -> None:
    cookie = begin_session(process.database, digest_of(process.token), clock=process.clock)
    process.known.refresh()
    end_session(process.database, cookie)
    process.known.outdate()
    assert not process.known.is_at_hand()
    process.known.refresh()
    assert process.known.find_session(cookie) is None


def test_a_session_that_was_read_expires_in_time(process: Process) -> None:
    cookie = begin_session(process.database, digest_of(process.token), clock=process.clock)
    process.advance(LIFE - 2.0)
    process.known.refresh()
    assert process.known.find_session(cookie) is not None
    process.advance(2.0)
    assert process.known.find_session(cookie) is None


def test_the_use_of_a_token_is_written_behind_and_once_a_minute(process: Process) -> None:
    for _ in range(5):
        assert process.knows()
        process.advance(10.0)
    [write] = process.behind
    write()
    [stored] = process.database.read(lambda connection: list_tokens(connection, clock=process.clock))
    assert stored.used_at == process.clock.now
    process.advance(10.0)
    assert process.knows()
    assert len(process.behind) == 2


def test_a_use_that_cannot_be_written_is_no_error(process: Process, monkeypatch: pytest.MonkeyPatch) -> None:
    assert process.knows()

    def fail(*_: object, **__: object) -> None:
        raise DatabaseUnavailableError("it is down")

    monkeypatch.setattr(process.database, "write", fail)
    [write] = process.behind
    write()


def test_requests_that_come_at_the_same_time_share_one_read(process: Process) -> None:
    everybody_has_come = threading.Barrier(9)

    def ask() -> bool:
        arrived = process.seconds
        everybody_has_come.wait(20.0)
        return process.known.refresh(since=arrived)

    with ThreadPoolExecutor(8) as threads:
        answers = [threads.submit(ask) for _ in range(8)]
        everybody_has_come.wait(20.0)
        assert all(answer.result(20.0) for answer in answers)
    assert process.reads == 1
