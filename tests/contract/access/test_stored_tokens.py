from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select

from breakwall.access.scopes import ALL_SCOPES, Scope
from breakwall.access.stored_tokens import (
    StoredToken,
    TokenNameTakenError,
    TokenNotFoundError,
    create_token,
    list_tokens,
    read_tokens,
    record_use,
    revoke_token,
)
from breakwall.access.tokens import PATTERN, digest_of
from breakwall.payments.db.database import Database
from breakwall.payments.db.operator_tables import api_tokens
from breakwall.payments.interventions import Author
from tests.contract.people import ANNA
from tests.manual_clock import ManualClock

READ = frozenset({Scope.OPS_READ})


def tokens(database: Database, clock: ManualClock, *, revoked_too: bool = False) -> list[StoredToken]:
    return database.read(lambda connection: list_tokens(connection, revoked_too=revoked_too, clock=clock))


def valid(database: Database, clock: ManualClock) -> list[str]:
    return [one.name for one, _ in database.read(lambda connection: read_tokens(connection, clock)).valid]


def test_only_the_digest_of_a_token_is_stored(database: Database, clock: ManualClock) -> None:
    token = create_token(database, "shop", READ, ANNA, clock=clock)
    assert PATTERN.fullmatch(token)
    [row] = database.read(lambda connection: connection.execute(select(api_tokens)).all())
    assert row.digest == digest_of(token)
    assert token not in str(row)
    assert token.removeprefix("bw_") not in str(row)


def test_a_list_says_who_made_a_token_when_and_why(database: Database, clock: ManualClock) -> None:
    create_token(database, "shop", ALL_SCOPES, ANNA, lasting=60.0, clock=clock)
    [found] = tokens(database, clock)
    assert (found.created_by, found.reason, found.created_at) == (ANNA.actor, ANNA.reason, clock.now)
    assert found.expires_at == clock.now + timedelta(seconds=60)
    assert found.scopes == ("ops:read", "ops:write", "orders:write")
    assert found.is_valid


def test_a_valid_name_is_taken(database: Database, clock: ManualClock) -> None:
    create_token(database, "shop", READ, ANNA, clock=clock)
    with pytest.raises(TokenNameTakenError):
        create_token(database, "shop", ALL_SCOPES, ANNA, clock=clock)
    assert len(tokens(database, clock, revoked_too=True)) == 1


def test_the_name_of_a_revoked_token_is_free(database: Database, clock: ManualClock) -> None:
    create_token(database, "shop", READ, ANNA, clock=clock)
    revoke_token(database, "shop", ANNA, clock=clock)
    create_token(database, "shop", ALL_SCOPES, ANNA, clock=clock)
    assert valid(database, clock) == ["shop"]


def test_the_name_of_an_expired_token_is_free(database: Database, clock: ManualClock) -> None:
    create_token(database, "shop", READ, ANNA, lasting=60.0, clock=clock)
    clock.advance(60.0)
    create_token(database, "shop", ALL_SCOPES, ANNA, clock=clock)
    assert [one.revoke_reason for one in tokens(database, clock, revoked_too=True)] == ["expired", None]


@pytest.mark.parametrize("name", ["", "a b", "-a", "a" * 65, "키", "a\n"])
def test_a_name_of_another_form_is_refused(database: Database, name: str) -> None:
    with pytest.raises(ValueError, match="should be"):
        create_token(database, name, READ, ANNA)


def test_a_token_needs_a_scope(database: Database) -> None:
    with pytest.raises(ValueError, match="scope"):
        create_token(database, "shop", frozenset(), ANNA)


def test_a_revoked_token_is_not_valid_and_says_who_revoked_it(database: Database, clock: ManualClock) -> None:
    create_token(database, "shop", READ, ANNA, clock=clock)
    revoked = revoke_token(database, "shop", Author("bert", "lost"), clock=clock)
    assert (revoked.revoked_by, revoked.revoke_reason, revoked.revoked_at) == ("bert", "lost", clock.now)
    assert not revoked.is_valid
    assert valid(database, clock) == []
    assert tokens(database, clock) == []


def test_a_token_is_revoked_once(database: Database, clock: ManualClock) -> None:
    create_token(database, "shop", READ, ANNA, clock=clock)
    revoke_token(database, "shop", ANNA, clock=clock)
    with pytest.raises(TokenNotFoundError):
        revoke_token(database, "shop", ANNA, clock=clock)


def test_a_token_is_valid_until_it_expires(database: Database, clock: ManualClock) -> None:
    create_token(database, "shop", READ, ANNA, lasting=60.0, clock=clock)
    clock.advance(59.0)
    [(_, left)] = database.read(lambda connection: read_tokens(connection, clock)).valid
    assert left == pytest.approx(1.0)
    clock.advance(1.0)
    assert valid(database, clock) == []
    assert [one.is_valid for one in tokens(database, clock)] == [False]


def test_whether_there_ever_was_a_token_stays_known(database: Database, clock: ManualClock) -> None:
    assert not database.read(lambda connection: read_tokens(connection, clock)).any_ever
    create_token(database, "shop", READ, ANNA, clock=clock)
    revoke_token(database, "shop", ANNA, clock=clock)
    assert database.read(lambda connection: read_tokens(connection, clock)).any_ever


def test_the_last_use_is_written_once_a_minute(database: Database, clock: ManualClock) -> None:
    digest = digest_of(create_token(database, "shop", READ, ANNA, clock=clock))
    began = clock.now
    record_use(database, digest, clock=clock)
    clock.advance(59.0)
    record_use(database, digest, clock=clock)
    assert tokens(database, clock)[0].used_at == began
    clock.advance(1.0)
    record_use(database, digest, clock=clock)
    assert tokens(database, clock)[0].used_at == clock.now
