"""An order's history as tables of Rich markup: its attempts, interventions, incidents and outcomes."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from breakwall.actors import name_or
from breakwall.cli.orders.incidents import closing, kind
from breakwall.payments.incidents import StoredIncident
from breakwall.payments.interventions import StoredIntervention
from breakwall.payments.ledger.attempt_outcomes import NOT_CONFIRMED
from breakwall.payments.orders import StoredAttempt, StoredOrder
from breakwall.payments.outcomes.operator import StoredDelivery
from breakwall.terminal.output import plain
from breakwall.terminal.words import duration, moment, state


@dataclass(frozen=True, slots=True)
class TableSection:
    """A table; ``noun`` is the name of a row."""

    noun: str
    columns: dict[str, list[str]]  # The cells of each column, by its head.
    right: tuple[str, ...] = ()  # The heads of the columns that are right-aligned.
    cuttable: tuple[str, ...] = ()  # The heads of the columns that may be cut short.

    @property
    def rows(self) -> list[tuple[str, ...]]:
        return list(zip(*self.columns.values(), strict=True))


def attempts_of(order: StoredOrder, attempts: Sequence[StoredAttempt], *, narrow: bool) -> TableSection:
    """The attempts, first to last; an attempt that was sent with another key than the order's shows it."""
    key = order.charge_key
    if attempts and order.status == "in_flight" and _is_prepared_now(attempts[-1]):
        attempts = [*attempts[:-1], replace(attempts[-1], **_PREPARING)]
    columns = {
        "attempt": [str(attempt.number) for attempt in attempts],
        "by": [attempt.source for attempt in attempts],
        "began": [_at(attempt.started_at, narrow=narrow) for attempt in attempts],
        "took": [_took(attempt) for attempt in attempts],
        "outcome": [attempt.outcome.value if attempt.outcome else "running" for attempt in attempts],
        "code": [plain(attempt.code or "-") for attempt in attempts],
        "detail": [plain(attempt.charge_id or attempt.detail or "-") for attempt in attempts],
    }
    # A narrow screen has no room for the keys of earlier attempts; --all shows them.
    if not narrow and any(attempt.gateway_key != key for attempt in attempts):
        columns["sent as"] = [
            "-" if attempt.gateway_key == key else plain(attempt.gateway_key) for attempt in attempts
        ]
    return TableSection("attempt", columns, ("attempt", "took"), ("code", "detail", "sent as"))


# What is shown of an attempt while its charge is prepared: its row says already what a crash would leave.
_PREPARING: dict[str, Any] = {
    "finished_at": None,
    "outcome": None,
    "code": None,
    "detail": "The charge is being prepared.",
}


_AT_ONCE = timedelta(milliseconds=10)  # What PostgreSQL may let pass between two moments of one statement.


def _is_prepared_now(attempt: StoredAttempt) -> bool:
    """Whether its row is as it was begun, if its order is in flight."""
    ended = attempt.finished_at
    return attempt.code == NOT_CONFIRMED and ended is not None and ended - attempt.started_at < _AT_ONCE


def interventions_of(interventions: Sequence[StoredIntervention], *, narrow: bool) -> TableSection:
    """The actions of people, first to last."""
    columns = {
        "intervention": [done.action.value for done in interventions],
        "by": [plain(name_or("-", done.actor)) for done in interventions],
        "at": [_at(done.at, narrow=narrow) for done in interventions],
        "state": [f"{state(done.before.value)} → {state(done.after.value)}" for done in interventions],
    }
    if not narrow:
        columns["evidence"] = [plain(done.evidence or "-") for done in interventions]
    columns["reason"] = [plain(done.reason or "-") for done in interventions]
    return TableSection("intervention", columns, cuttable=("by", "evidence", "reason"))


def incidents_of(incidents: Sequence[StoredIncident], *, narrow: bool) -> TableSection:
    """The incidents, open ones last: a small screen shows the last rows only."""
    ordered = sorted(incidents, key=lambda incident: incident.closed_at is None)
    columns = {
        "incident": [str(incident.id) for incident in ordered],
        "kind": [kind(incident) for incident in ordered],
        "since": [_at(incident.at, narrow=narrow) for incident in ordered],
        "detail": [plain(incident.detail) for incident in ordered],
        "closed": ["yes" if narrow and incident.closed_at else closing(incident) for incident in ordered],
    }
    return TableSection("incident", columns, ("incident",), ("detail", "closed"))


def outcomes_of(deliveries: Sequence[StoredDelivery], *, narrow: bool) -> TableSection:
    """What the shop is told, first to last: when it was delivered, or when it is tried next."""
    columns = {
        "event": [one.event_id for one in deliveries],
        "type": [one.type for one in deliveries],
        "to": [one.destination or "-" for one in deliveries],
        "state": [f"[bold red]{one.state}[/]" if one.state == "failed" else one.state for one in deliveries],
        "tries": [str(one.tries) for one in deliveries],
        "at": [_at_or_none(one.delivered_at or one.due_at, narrow=narrow) for one in deliveries],
        "last error": [plain(one.last_error or "-") for one in deliveries],
    }
    return TableSection("event", columns, ("tries",), ("last error",))


def _at_or_none(at: datetime | None, *, narrow: bool) -> str:
    return "-" if at is None else _at(at, narrow=narrow)


def _at(at: datetime, *, narrow: bool) -> str:
    # The order's own fields show the year, and that times are UTC.
    return f"{at.astimezone(UTC):%m-%d %H:%M:%S}" if narrow else moment(at)


def _took(attempt: StoredAttempt) -> str:
    if attempt.finished_at is None:
        return "-"
    return duration((attempt.finished_at - attempt.started_at).total_seconds())
