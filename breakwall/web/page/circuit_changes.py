"""What has changed the circuit lately: its own transitions, and what people did to it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from breakwall.breaker import CircuitBreakerConfig
from breakwall.monitor.history.transitions import CircuitTransition
from breakwall.payments.db.operator_tables import ActionResult
from breakwall.payments.operator.audit_entries import AuditEntry
from breakwall.web.page.audit_view import audit_rows
from breakwall.web.page.labels import CIRCUITS, TRANSITION_CAUSES, label
from breakwall.web.page.overview_lists import MOST_CHANGES
from breakwall.web.page.snapshot import PageSnapshot
from breakwall.web.page.words import Words


@dataclass(frozen=True, slots=True)
class CircuitChange:
    """One change. ``key``: no other one has it; ``what`` names the person, if it was one."""

    key: str
    at: datetime
    moment: str
    what: str
    why: str


def circuit_changes(seen: PageSnapshot, words: Words) -> tuple[CircuitChange, ...]:
    """The last changes, the newest first."""
    if seen.lists is None:
        return ()
    found = [_transition(one, seen.config, words) for one in seen.lists.transitions]
    found += [
        _action(one, words)
        for one in seen.lists.circuit_actions
        if one.result != ActionResult.REFUSED  # It changed nothing.
    ]
    return tuple(sorted(found, key=lambda one: one.at, reverse=True)[:MOST_CHANGES])


def _transition(one: CircuitTransition, config: CircuitBreakerConfig, words: Words) -> CircuitChange:
    before, after = (label(CIRCUITS, state.value, words) for state in (one.before, one.after))
    return CircuitChange(
        f"{one.generation}",
        one.at,
        words.moment(one.at),
        f"{before} → {after}",
        _why(one, config, words),
    )


def _why(one: CircuitTransition, config: CircuitBreakerConfig, words: Words) -> str:
    if one.failures is None:
        return label(TRANSITION_CAUSES, one.cause.value, words)
    return words.count(
        "%(number)s call failed within %(time)s (it opens at %(threshold)s)",
        "%(number)s calls failed within %(time)s (it opens at %(threshold)s)",
        one.failures,
        time=words.duration(config.window),
        threshold=words.number(config.failure_threshold),
    )


def _action(entry: AuditEntry, words: Words) -> CircuitChange:
    (row,) = audit_rows([entry], words)
    action = f"{row.what} {row.detail}".rstrip()
    what = words.text("%(action)s by %(actor)s", action=action, actor=row.actor)
    return CircuitChange(row.key, entry.at, row.moment, what, row.reason)
