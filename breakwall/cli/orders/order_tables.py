"""An order's attempts, interventions and incidents as rows of Rich markup."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from breakwall.cli.orders.incidents import closing
from breakwall.payments.actions import StoredIncident, StoredIntervention
from breakwall.payments.orders import StoredAttempt
from breakwall.terminal.output import plain
from breakwall.terminal.words import duration, moment, state


@dataclass(frozen=True, slots=True)
class Section:
    """A table.

    Attributes:
        noun: what a row is called.
        right, cuttable: the heads of the columns that are aligned to the right, or may be cut short.
    """

    noun: str
    heads: tuple[str, ...]
    rows: list[tuple[str, ...]]
    right: frozenset[str] = frozenset()
    cuttable: frozenset[str] = frozenset()


def attempts_of(attempts: Sequence[StoredAttempt], key: str, *, narrow: bool) -> Section:
    """The attempts, first to last; one that was sent under another key than ``key`` shows it."""
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
    return _section(
        "attempt", heads, rows, hidden, right={"attempt", "took"}, cuttable={"code", "detail", "sent as"}
    )


def interventions_of(interventions: Sequence[StoredIntervention], *, narrow: bool) -> Section:
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
    return _section("intervention", heads, rows, hidden, cuttable={"by", "evidence", "reason"})


def incidents_of(incidents: Sequence[StoredIncident], *, narrow: bool) -> Section:
    """The incidents, open ones last: where there is little room, the last rows are shown."""
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
    return _section("incident", heads, rows, (), right={"incident"}, cuttable={"detail", "closed"})


def _section(
    noun: str,
    heads: tuple[str, ...],
    rows: Sequence[tuple[str, ...]],
    hidden: Iterable[str],
    *,
    right: Iterable[str] = (),
    cuttable: Iterable[str] = (),
) -> Section:
    shown = [number for number, head in enumerate(heads) if head not in hidden]
    return Section(
        noun,
        tuple(heads[number] for number in shown),
        [tuple(row[number] for number in shown) for row in rows],
        frozenset(right),
        frozenset(cuttable),
    )


def _at(at: datetime, *, narrow: bool) -> str:
    # The order's own fields show the year and that times are UTC.
    return f"{at.astimezone(UTC):%m-%d %H:%M:%S}" if narrow else moment(at)


def _took(attempt: StoredAttempt) -> float:
    finished = attempt.finished_at or attempt.started_at
    return (finished - attempt.started_at).total_seconds()
