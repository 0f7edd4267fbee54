"""The tokens in the orders database: create, list, revoke, and read those that are valid."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Label, Update, and_, case, false, or_, select, true, update

from breakwall.access.scopes import Scope
from breakwall.access.tokens import AccessToken, digest_of, new_token
from breakwall.api_tokens import check_token_name, parse_scopes
from breakwall.errors import BreakwallError, ExitCode
from breakwall.payments.db.clock import DATABASE_CLOCK, Clock
from breakwall.payments.db.database import Database, SchemaError
from breakwall.payments.db.insert_missing import insert_missing
from breakwall.payments.db.operator_tables import api_tokens
from breakwall.payments.db.revisions import has_table
from breakwall.payments.interventions import Author

_T = api_tokens.c

USED_AT_PRECISION = 60.0  # Seconds between two writes of a token's ``used_at``.

# The transactions' names. They are no crash points, because they change no order.
CREATING, REVOKING, USING = "create_token", "revoke_token", "use_token"


class TokenNameTakenError(BreakwallError):
    """A token that was not revoked has the name. Nothing was changed."""

    kind = "refused"
    exit_code = ExitCode.REFUSED


class TokenNotFoundError(BreakwallError, LookupError):
    """No token that was not revoked has the name."""

    kind = "not_found"
    exit_code = ExitCode.NOT_FOUND


@dataclass(frozen=True, slots=True)
class StoredToken:
    """A token as a list shows it. Moments are aware, in UTC."""

    name: str
    scopes: tuple[str, ...]
    is_valid: bool
    created_at: datetime
    created_by: str
    reason: str | None
    expires_at: datetime | None
    used_at: datetime | None  # Within a minute; None: never.
    revoked_at: datetime | None
    revoked_by: str | None
    revoke_reason: str | None


@dataclass(frozen=True, slots=True)
class TokensRead:
    """All valid tokens, each with the seconds until it expires (None: never), and whether there ever was one."""

    valid: tuple[tuple[AccessToken, float | None], ...]
    any_ever: bool


def create_token(
    database: Database,
    name: str,
    scopes: frozenset[Scope],
    author: Author,
    *,
    lasting: float | None = None,
    clock: Clock = DATABASE_CLOCK,
) -> str:
    """Make a token, store its digest and return the token: nobody can show it again.

    ``lasting``: seconds until it expires. Raises `ValueError` for the name or without a scope, `TokenNameTakenError`,
    and `SchemaError` before revision 0008.
    """
    check_token_name(name)
    if not scopes:
        raise ValueError("a token should have a scope")
    token = new_token()
    values = {
        "name": name,
        "digest": digest_of(token),
        "scopes": " ".join(sorted(scopes)),
        "created_at": clock.after(0),
        "created_by": author.actor,
        "reason": author.reason,
        "expires_at": None if lasting is None else clock.after(lasting),
    }

    def work(connection: Connection) -> None:
        _check_table(connection)
        connection.execute(_release_name(name, clock))
        row = insert_missing(connection.dialect.name, api_tokens).values(values).returning(_T.id)
        if connection.execute(row).first() is None:
            raise TokenNameTakenError(
                f"there is a token called {name}: choose another name, or revoke that one first"
            )

    database.write(work, name=CREATING)
    return token


def _release_name(name: str, clock: Clock) -> Update:
    """A name is free again when its token has expired."""
    expired = _T.expires_at <= clock.after(0)
    ended = {"revoked_at": _T.expires_at, "revoke_reason": "expired"}
    return update(api_tokens).where(_T.name == name, _T.revoked_at.is_(None), expired).values(ended)


def revoke_token(
    database: Database, name: str, author: Author, *, clock: Clock = DATABASE_CLOCK
) -> StoredToken:
    """End a token, and with it the browsers that signed in with it. Raises `TokenNotFoundError`."""
    changed = (
        update(api_tokens)
        .where(_T.name == name, _T.revoked_at.is_(None))
        .values(revoked_at=clock.after(0), revoked_by=author.actor, revoke_reason=author.reason)
        .returning(_T.id)
    )

    def work(connection: Connection) -> StoredToken:
        _check_table(connection)
        number = connection.execute(changed).scalar_one_or_none()
        if number is None:
            raise TokenNotFoundError(f"no valid token is called {name}: `breakwall token list` shows them")
        [revoked] = list_tokens(connection, revoked_too=True, clock=clock, number=number)
        return revoked

    return database.write(work, name=REVOKING)


def list_tokens(
    connection: Connection,
    *,
    revoked_too: bool = False,
    clock: Clock = DATABASE_CLOCK,
    number: int | None = None,
) -> list[StoredToken]:
    """The tokens, oldest first, within a running transaction; those that have expired, too."""
    if not has_table(connection, api_tokens.name):
        return []
    names = [name for name in StoredToken.__slots__ if name not in {"is_valid", "scopes"}]
    wanted = select(*(_T[name] for name in names), _T.scopes, _is_valid(clock)).order_by(_T.id)
    if not revoked_too:
        wanted = wanted.where(_T.revoked_at.is_(None))
    if number is not None:
        wanted = wanted.where(_T.id == number)
    return [
        StoredToken(
            **{name: row._mapping[name] for name in names},
            scopes=tuple(row.scopes.split()),
            is_valid=bool(row.is_valid),
        )
        for row in connection.execute(wanted)
    ]


def read_tokens(connection: Connection, clock: Clock) -> TokensRead:
    """What a process needs to check tokens, within a running transaction."""
    if not has_table(connection, api_tokens.name):
        return TokensRead((), any_ever=False)
    found = connection.execute(
        select(
            _T.name, _T.scopes, _T.digest, _T.expires_at, clock.after(0).label("now"), _is_valid(clock)
        ).where(_T.revoked_at.is_(None))
    ).all()
    valid = tuple(
        (
            AccessToken(row.name, parse_scopes(row.scopes), row.digest),
            None if row.expires_at is None else (row.expires_at - row.now).total_seconds(),
        )
        for row in found
        if row.is_valid
    )
    return TokensRead(valid, bool(found) or connection.scalar(select(_T.id).limit(1)) is not None)


def record_use(database: Database, digest: str, *, clock: Clock = DATABASE_CLOCK) -> None:
    """Write when a token was last used, unless that was written within a minute."""
    is_due = or_(_T.used_at.is_(None), _T.used_at <= clock.after(-USED_AT_PRECISION))
    row = update(api_tokens).where(_T.digest == digest, is_due).values(used_at=clock.after(0))
    database.write(lambda connection: connection.execute(row), name=USING)


def _is_valid(clock: Clock) -> Label[bool]:
    lasts = or_(_T.expires_at.is_(None), _T.expires_at > clock.after(0))
    return case((and_(_T.revoked_at.is_(None), lasts), true()), else_=false()).label("is_valid")


def _check_table(connection: Connection) -> None:
    if not has_table(connection, api_tokens.name):
        raise SchemaError(
            "the database has no table for tokens before its next revision: run `breakwall db upgrade`"
        )
