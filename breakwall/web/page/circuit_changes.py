"""What has changed the circuit lately: its own transitions, and what people did to it. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby, islice

from breakwall.breaker import CircuitBreakerConfig
from breakwall.monitor.history.transitions import CircuitTransition, TransitionCause
from breakwall.payments.db.operator_tables import ActionResult
from breakwall.payments.operator.audit_entries import AuditEntry
from breakwall.web.page.audit_view import audit_rows
from breakwall.web.page.labels import CIRCUITS, TRANSITION_CAUSES, label
from breakwall.web.page.snapshot import PageSnapshot
from breakwall.web.page.words import Words

MOST_CHANGES = 6

_Happened = CircuitTransition | AuditEntry


@dataclass(frozen=True, slots=True)
class CircuitChange:
    """One change. ``key``: no other one has it; ``what`` names the person, if it was one."""

    key: str
    at: datetime
    moment: str
    what: str
    why: str


def circuit_changes(seen: PageSnapshot, words: Words) -> tuple[CircuitChange, ...]:
    """The last changes, the newest first. Probes that failed one after another are one."""
    if seen.lists is None:
        return ()
    happened: list[_Happened] = [*seen.lists.transitions]
    happened += [one for one in seen.lists.circuit_actions if one.result != ActionResult.REFUSED]
    happened.sort(key=lambda one: one.at, reverse=True)
    return tuple(islice(_changes(happened, seen.config, words), MOST_CHANGES))


def _changes(
    happened: Sequence[_Happened], config: CircuitBreakerConfig, words: Words
) -> Iterator[CircuitChange]:
    failed = {
        one.generation
        for one in happened
        if isinstance(one, CircuitTransition) and one.cause is TransitionCause.PROBE_FAILED
    }

    def is_of_failed_probe(one: _Happened) -> bool:
        return isinstance(one, CircuitTransition) and bool({one.generation, one.generation + 1} & failed)

    for is_probe, group in groupby(happened, is_of_failed_probe):
        if is_probe:
            yield _failed_probes([one for one in group if isinstance(one, CircuitTransition)], words)
            continue
        for one in group:
            yield _action(one, words) if isinstance(one, AuditEntry) else _transition(one, config, words)


def _failed_probes(transitions: Sequence[CircuitTransition], words: Words) -> CircuitChange:
    """The newest first; each probe has two: the circuit was open, half-open, and open again."""
    newest, oldest = transitions[0], transitions[-1]
    number = sum(one.cause is TransitionCause.PROBE_FAILED for one in transitions)
    opened, tried = (label(CIRCUITS, name, words) for name in ("open", "half_open"))
    why = words.count("%(number)s probe failed", "%(number)s probes failed, one after another", number)
    what = f"{opened} → {tried} → {opened}"
    return CircuitChange(f"{oldest.generation}", newest.at, words.moment(newest.at), what, why)


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
    what = words.action_by(action, entry.actor)
    return CircuitChange(row.key, entry.at, row.moment, what, row.reason)
