"""Bulk retries in the reader's language: what each is for, and how far it has come. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from breakwall.actors import name_or
from breakwall.payments.db.operator_tables import BulkState
from breakwall.payments.operator.bulk_retry.record import BulkRetry
from breakwall.payments.operator.bulk_retry.selection import Selection
from breakwall.web.page.circuit_view import Figure
from breakwall.web.page.labels import BULK_MEANINGS, BULK_STATES, STATES, label
from breakwall.web.page.words import Words


@dataclass(frozen=True, slots=True)
class BulkView:
    """One bulk retry. ``share``: of its orders, 0 to 100; ``ended``: when and by whom, or None while it is open."""

    id: str
    name: str
    state: str
    word: str
    meaning: str
    is_open: bool
    progress: str
    share: float
    made: str
    actor: str
    reason: str
    orders: str
    figures: tuple[Figure, ...]
    ended: str | None
    waits: str | None  # For whom it waits, as a sentence; None if it does not.


def bulk_view(bulk: BulkRetry, words: Words) -> BulkView:
    """The view of a bulk retry."""
    done, all_ = words.number(bulk.done), words.number(bulk.eligible)
    return BulkView(
        id=bulk.id,
        name=bulk.name,
        state=bulk.state.value,
        word=label(BULK_STATES, bulk.state.value, words),
        meaning=label(BULK_MEANINGS, bulk.state.value, words),
        is_open=not bulk.has_ended,
        progress=words.text("%(done)s of %(all)s", done=done, all=all_),
        share=100 * bulk.done / bulk.eligible if bulk.eligible else 0.0,
        made=words.moment(bulk.created_at),
        actor=name_or("–", bulk.actor),
        reason=bulk.reason,
        orders=" · ".join(conditions(bulk.selection, words)),
        figures=tuple(_figures(bulk, words)),
        ended=_ended(bulk, words),
        waits=_waits(bulk, words),
    )


def conditions(selection: Selection, words: Words) -> Iterator[str]:
    """What each of the orders must meet."""
    yield ", ".join(label(STATES, status.value, words) for status in selection.statuses)
    if selection.currency is not None:
        yield selection.currency
    if selection.older_than:
        yield words.text("older than %(time)s", time=words.duration(selection.older_than))
    if selection.error_contains is not None:
        yield words.text("last error with “%(text)s”", text=selection.error_contains)
    if selection.rejected:
        yield words.text("rejected by the payment service")


def _figures(bulk: BulkRetry, words: Words) -> Iterator[Figure]:
    first = _counted(bulk.looked_up_first, words)
    asked = words.text("%(number)s of its orders are looked up before a charge", number=first)
    yield Figure(words.text("Retried"), words.number(bulk.retried), asked)
    found = words.text("%(number)s were paid before it began", number=_counted(bulk.already_paid, words))
    yield Figure(words.text("Paid meanwhile"), words.number(bulk.paid), found)
    skipped = words.text("%(number)s were skipped when it was made", number=_counted(bulk.skipped, words))
    yield Figure(words.text("Changed meanwhile"), words.number(bulk.changed), skipped)
    apart = _counted(bulk.to_be_resolved, words)
    resolved = words.text("%(number)s more need it, and were left out", number=apart)
    yield Figure(words.text("Left for a person to resolve"), words.number(bulk.disputed), resolved)
    if not bulk.has_ended:
        yield Figure(words.text("Time left"), _left(bulk, words), _rate(bulk, words))


def _counted(number: int | None, words: Words) -> str:
    return words.text("(not counted)") if number is None else words.number(number)


def _left(bulk: BulkRetry, words: Words) -> str:
    seconds = bulk.seconds_left
    return words.text("not known") if seconds is None else words.duration(seconds)


def _rate(bulk: BulkRetry, words: Words) -> str:
    if bulk.rate is None:
        return words.text("no rate was chosen")
    return words.text("at most %(number)s orders a second", number=words.number(bulk.rate))


def _waits(bulk: BulkRetry, words: Words) -> str | None:
    if bulk.waits_for is None:
        return None
    return words.text(
        "It waits for a worker with the gateway %(gateway)s: none has it.", gateway=bulk.waits_for
    )


def _ended(bulk: BulkRetry, words: Words) -> str | None:
    if bulk.ended_at is None:
        return None
    at = words.moment(bulk.ended_at)
    if bulk.state is not BulkState.ABORTED:
        return words.text("Finished at %(time)s UTC.", time=at)
    said = words.by(
        bulk.aborted_by, "Aborted by %(actor)s at %(time)s UTC.", "Aborted at %(time)s UTC.", time=at
    )
    reason = (bulk.abort_reason or "–").rstrip(".")
    return f"{said} {words.text('Reason: %(reason)s.', reason=reason)}"
