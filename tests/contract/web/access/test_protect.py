from __future__ import annotations

import pytest

from breakwall.access.scopes import ALL_SCOPES
from breakwall.access.stored_tokens import create_token, revoke_token
from breakwall.errors import ExitCode
from breakwall.payments.db.database import Database, DatabaseUnavailableError
from breakwall.settings import Settings
from breakwall.web.access.protect import OpenToAllError, refuse_open_bind
from tests.contract.people import ANNA

TOKEN = f"shop:orders:write:{'0' * 64}"


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_loopback_needs_no_token(database: Database, host: str) -> None:
    refuse_open_bind(host, Settings(), database)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.7", "shop.example"])
def test_nothing_else_starts_without_a_token(database: Database, host: str) -> None:
    with pytest.raises(OpenToAllError, match="breakwall token create") as refused:
        refuse_open_bind(host, Settings(), database)
    assert refused.value.exit_code is ExitCode.REFUSED


def test_a_stored_or_a_configured_token_is_enough(database: Database) -> None:
    refuse_open_bind("0.0.0.0", Settings(api_tokens=TOKEN), database)
    create_token(database, "shop", ALL_SCOPES, ANNA)
    refuse_open_bind("0.0.0.0", Settings(), database)


def test_a_revoked_token_is_not_enough(database: Database) -> None:
    create_token(database, "shop", ALL_SCOPES, ANNA)
    revoke_token(database, "shop", ANNA)
    with pytest.raises(OpenToAllError):
        refuse_open_bind("0.0.0.0", Settings(), database)


def test_without_the_database_nothing_else_starts(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise DatabaseUnavailableError("it is down")

    monkeypatch.setattr(database, "read", fail)
    with pytest.raises(DatabaseUnavailableError):
        refuse_open_bind("0.0.0.0", Settings(), database)
    refuse_open_bind("127.0.0.1", Settings(), database)
