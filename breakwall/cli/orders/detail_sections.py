"""What an order's story tells beside its fields: attempts, interventions and incidents, as rows of Rich markup."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from breakwall.cli.orders.incidents import closing
from breakwall.payments.actions import StoredIncident, StoredIntervention
from breakwall.payments.orders import StoredAttempt
from breakwall.terminal.output import plain
from breakwall.terminal.words import duration, moment, state


@dataclass(frozen=True, slots=True)
class Chapter:
    """A table: what a row is called, the heads, the rows, and which columns are aligned right or may be cut."""

    noun: str
    heads: tuple[str, ...]
    rows: list[tuple[str, ...]]
    right: frozenset[str] = frozenset()
    cuttable: frozenset[str] = frozenset()


def attempts_of(attempts: Sequence[StoredAttempt], key: str, *, narrow: bool) -> Chapter:
    """The attempts, first to last; those that were sent under another key than ``key`` say which."""
    rows: list[tuple[str, ...]] = [
        (
            str(attempt.number),
            attempt.source,
            _at(attempt.started_at, narrow=narrow),
            "-" if attempt.finished_at is None else duration(_took(attempt)),
            "running" if attempt.outcome is None else attempt.outcome.value,
            plain(attempt.code or "-"),
            plain(attempt.charge_id or attempt.detail or "-"),
            "-" if attempt.gateway_key == key else plain(attempt.gateway_key),
        )
        for attempt in attempts
    ]
    heads = ("attempt", "by", "sent", "took", "outcome", "code", "detail", "sent as")
    # A narrow screen has no room for the keys of earlier attempts: --all has.
    hidden = {"sent as"} if narrow or all(row[-1] == "-" for row in rows) else set()
    return _chapter(
        "attempt", heads, rows, hidden, right={"attempt", "took"}, cuttable={"code", "detail", "sent as"}
    )


def interventions_of(interventions: Sequence[StoredIntervention], *, narrow: bool) -> Chapter:
    """What people did, first to last."""
    rows = [
        (
            done.action.value,
            plain(done.actor),
            _at(done.at, narrow=narrow),
            f"{state(done.before.value)} → {state(done.after.value)}",
            plain(done.evidence or "-"),
            plain(done.reason or "-"),
        )
        for done in interventions
    ]
    heads = ("intervention", "by", "at", "state", "evidence", "reason")
    hidden = {"evidence"} if narrow else set()
    return _chapter("intervention", heads, rows, hidden, cuttable={"by", "evidence", "reason"})


def incidents_of(incidents: Sequence[StoredIncident], *, narrow: bool) -> Chapter:
    """The incidents; the open ones last, which are shown first where there is little room."""
    rows = [
        (
            str(found.id),
            found.kind if found.closed_at else f"[bold red]{found.kind}[/]",
            _at(found.at, narrow=narrow),
            plain(found.detail),
            "yes" if narrow and found.closed_at else closing(found),
        )
        for found in sorted(incidents, key=lambda found: found.closed_at is None)
    ]
    heads = ("incident", "kind", "since", "detail", "closed")
    return _chapter("incident", heads, rows, set(), right={"incident"}, cuttable={"detail", "closed"})


def _chapter(
    noun: str,
    heads: tuple[str, ...],
    rows: Sequence[tuple[str, ...]],
    hidden: set[str],
    *,
    right: set[str] | None = None,
    cuttable: set[str] | None = None,
) -> Chapter:
    shown = [number for number, head in enumerate(heads) if head not in hidden]
    return Chapter(
        noun,
        tuple(heads[number] for number in shown),
        [tuple(row[number] for number in shown) for row in rows],
        frozenset(right or ()),
        frozenset(cuttable or ()),
    )


def _at(at: datetime, *, narrow: bool) -> str:
    # The year stands in the order's own fields, and every time is UTC.
    return f"{at.astimezone(UTC):%m-%d %H:%M:%S}" if narrow else moment(at)


def _took(attempt: StoredAttempt) -> float:
    finished = attempt.finished_at or attempt.started_at
    return (finished - attempt.started_at).total_seconds()
