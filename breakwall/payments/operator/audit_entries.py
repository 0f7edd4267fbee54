"""What people did, in one list: to orders, to the drain, to incidents, and everything else that they changed."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, String, and_, false, literal, or_, select, true

from breakwall.payments.db.operator_tables import ActionResult, operator_actions
from breakwall.payments.db.query_hints import once
from breakwall.payments.db.revisions import has_table
from breakwall.payments.db.schema import drain_actions, incidents, interventions


class InvalidCursorError(ValueError):
    """A text that is no `AuditEntry.cursor`."""


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One action of a person."""

    at: datetime  # When it was done, or begun; by the database's clock; aware, in UTC.
    action: str  # Such as `order_retry`, `queue_pause`, `incident_close`, `breaker_force_open`.
    subject: str | None  # What it was done to: an order's id, the circuit's or the token's name.
    actor: str
    reason: str | None  # None: none was given.
    detail: str | None
    result: (
        str | None
    )  # One of `ActionResult`; None: the process that did it ended before it said how it went.
    cursor: str  # The next page begins after it. For programs: it has no meaning for people.


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which entries are wanted; None: any."""

    since: ColumnElement[datetime] | datetime | None = None  # Not before.
    until: ColumnElement[datetime] | datetime | None = None  # Before.
    actor: str | None = None
    action: str | None = None  # Its name, or the first words of it, such as ``breaker`` or ``order_resolve``.
    subject: str | None = None


_ANY_ROW = true()


@dataclass(frozen=True, slots=True)
class _Source:
    """A table that holds actions."""

    prefix: str  # Of its actions' names.
    id: ColumnElement[int]
    at: ColumnElement[datetime]
    action: ColumnElement[Any]
    subject: ColumnElement[Any]
    actor: ColumnElement[Any]
    reason: ColumnElement[Any]
    result: ColumnElement[Any]
    details: tuple[ColumnElement[Any], ...]
    has_row: ColumnElement[bool] = _ANY_ROW

    def select(self) -> Select[Any]:
        fixed = (self.id, self.at, self.action, self.subject, self.actor, self.reason, self.result)
        return select(*fixed, *self.details).where(self.has_row)


_DONE = literal(ActionResult.DONE.value, String)
_I, _D, _C, _O = interventions.c, drain_actions.c, incidents.c, operator_actions.c

# Their places in this list are a part of the cursors.
_SOURCES = (
    _Source("order_", _I.id, _I.at, _I.action, _I.order_id, _I.actor, _I.reason, _DONE, (_I.evidence,)),
    _Source(
        "queue_", _D.id, _D.at, _D.action, literal("queue"), _D.actor, _D.reason, _DONE, (_D.until, _D.rate)
    ),
    _Source(
        "incident_",
        _C.id,
        _C.closed_at,
        literal("close"),
        _C.order_id,
        _C.closed_by,
        _C.close_reason,
        _DONE,
        (_C.kind,),
        _C.closed_at.is_not(None),
    ),
    _Source("", _O.id, _O.at, _O.action, _O.subject, _O.actor, _O.reason, _O.result, (_O.detail,)),
)


def list_audit(
    connection: Connection, wanted: AuditFilter = AuditFilter(), *, limit: int, after: str | None = None
) -> list[AuditEntry]:
    """At most ``limit`` entries, newest first, within a running transaction.

    ``after``: the `cursor` of the last entry of the page before. Raises `InvalidCursorError`.
    """
    cursor = None if after is None else _read_cursor(after)
    found: list[tuple[datetime, int, int, AuditEntry]] = []
    for rank, source in enumerate(_SOURCES):
        if source.prefix or has_table(connection, operator_actions.name):
            page = source.select().where(*_conditions(source, wanted))
            if cursor is not None:
                page = page.where(_is_after(source, rank, *cursor))
            newest_first = page.order_by(source.at.desc(), source.id.desc()).limit(limit)
            found += [(row[1], rank, row[0], _entry(rank, row)) for row in connection.execute(newest_first)]
    found.sort(key=lambda one: one[:3], reverse=True)
    return [entry for *_, entry in found[:limit]]


def _conditions(source: _Source, wanted: AuditFilter) -> list[ColumnElement[bool]]:
    compared: list[tuple[Any, Callable[[Any], ColumnElement[bool]]]] = [
        (wanted.since, lambda moment: source.at >= _fixed(moment)),
        (wanted.until, lambda moment: source.at < _fixed(moment)),
        (wanted.actor, lambda name: source.actor == name),
        (wanted.subject, lambda name: source.subject == name),
        (wanted.action, lambda name: _is_action(source, name)),
    ]
    return [compare(value) for value, compare in compared if value is not None]


def _fixed(moment: ColumnElement[datetime] | datetime) -> Any:
    return moment if isinstance(moment, datetime) else once(moment)


def _is_action(source: _Source, name: str) -> ColumnElement[bool]:
    if f"{name}_" == source.prefix:
        return true()
    if not name.startswith(source.prefix):
        return false()
    own = name.removeprefix(source.prefix)
    return or_(source.action == own, source.action.startswith(f"{own}_", autoescape=True))


def _is_after(source: _Source, rank: int, at: datetime, of: int, number: int) -> ColumnElement[bool]:
    if rank < of:
        return source.at <= at
    if rank > of:
        return source.at < at
    return or_(source.at < at, and_(source.at == at, source.id < number))


def _read_cursor(text: str) -> tuple[datetime, int, int]:
    parts = re.fullmatch(r"(\S{20,40})~([0-9])~([0-9]{1,18})", text, re.ASCII)
    try:
        at = datetime.fromisoformat(parts[1]) if parts else None
    except ValueError:
        at = None
    if parts is None or at is None or at.tzinfo is not UTC:
        raise InvalidCursorError("should be the `cursor` of an entry, unchanged")
    return at, int(parts[2]), int(parts[3])


def _entry(rank: int, row: Any) -> AuditEntry:
    number, at, action, subject, actor, reason, result, *details = row
    cursor = f"{at.isoformat()}~{rank}~{number}"
    name = f"{_SOURCES[rank].prefix}{action}"
    return AuditEntry(at, name, subject, actor, reason, _detail(action, details), result, cursor)


def _detail(action: str, details: list[Any]) -> str | None:
    if action == "rate":
        return "no limit" if details[1] is None else f"{details[1]:,.12g} orders a second"
    found = details[0]
    return f"until {found.isoformat()}" if isinstance(found, datetime) else found
