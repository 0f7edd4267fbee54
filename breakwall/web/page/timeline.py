"""All that happened to one order, first to last. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from breakwall.payments.db.clock import seconds_between
from breakwall.payments.incidents import StoredIncident
from breakwall.payments.interventions import StoredIntervention
from breakwall.payments.orders import OrderStatus, StoredAttempt, StoredOrder
from breakwall.payments.outcomes.operator import DeliveryState, StoredDelivery
from breakwall.web.page.labels import (
    ACTIONS,
    DELIVERIES,
    INCIDENTS,
    OUTCOME_SYMBOLS,
    OUTCOMES,
    REASONS,
    SOURCES,
    STATE_SYMBOLS,
    STATES,
    label,
)
from breakwall.web.page.own_texts import own_text
from breakwall.web.page.words import Words

_ENDED = {OrderStatus.PAID, OrderStatus.DECLINED, OrderStatus.CANCELLED}  # Nobody changes these.
_TO_BE_TOLD = {DeliveryState.NEW, DeliveryState.WAITING}


@dataclass(frozen=True, slots=True)
class OrderLife:
    """An order, and what is stored about it, each first to last."""

    order: StoredOrder
    attempts: Sequence[StoredAttempt] = ()
    interventions: Sequence[StoredIntervention] = ()
    incidents: Sequence[StoredIncident] = ()
    deliveries: Sequence[StoredDelivery] = ()

    @property
    def may_change(self) -> bool:
        """Whether more can happen: the order has not ended for good, or the shop is still to be told."""
        is_told = all(one.state not in _TO_BE_TOLD for one in self.deliveries)
        return self.order.status not in _ENDED or not is_told


@dataclass(frozen=True, slots=True)
class TimelineRow:
    """Something that happened. ``after``: since the order was accepted; ``took``: the latency of an attempt."""

    at: datetime
    moment: str
    after: str
    symbol: str
    what: str
    detail: str
    took: str = ""
    is_ahead: bool = False  # It has not happened yet.


def timeline(history: OrderLife, words: Words) -> list[TimelineRow]:
    """The rows, first to last; the last may be ahead: when the order is tried next."""
    maker = _Rows(history, words)
    rows = sorted(maker.past(), key=lambda row: row.at)
    return [*rows, *maker.ahead()]


class _Rows:
    def __init__(self, history: OrderLife, words: Words) -> None:
        self.history, self.words, self.order = history, words, history.order

    def past(self) -> Iterator[TimelineRow]:
        order, text = self.order, self.words.text
        money = self.words.money(order.amount, order.currency)
        yield self._row(
            order.created_at,
            "●",
            text("received"),
            text("%(money)s for %(user)s", money=money, user=order.user_id),
        )
        yield from map(self._attempt, self.history.attempts)
        yield from map(self._intervention, self.history.interventions)
        yield from map(self._incident, self.history.incidents)
        yield from map(self._delivery, self.history.deliveries)
        if order.settled_at is not None:
            why = label(REASONS, order.reason, self.words) if order.reason else ""
            charge = text("charge %(id)s", id=order.charge_id) if order.charge_id else ""
            state = label(STATES, order.status, self.words)
            what = text("ended: %(state)s", state=state)
            yield self._row(order.settled_at, STATE_SYMBOLS[order.status], what, charge or why)

    def ahead(self) -> Iterator[TimelineRow]:
        due = self.order.next_attempt_at
        if due is not None:
            detail = self.words.text("if the circuit lets it through")
            yield self._row(due, "…", self.words.text("due for its next try"), detail, is_ahead=True)

    def _attempt(self, one: StoredAttempt) -> TimelineRow:
        words, outcome = self.words, None if one.outcome is None else one.outcome.value
        source = label(SOURCES, one.source, words)
        what = words.text("attempt %(number)s, %(source)s", number=one.number, source=source)
        answer = [label(OUTCOMES, outcome, words), one.code or "", one.detail or ""]
        took = (
            ""
            if one.finished_at is None
            else _latency(seconds_between(one.started_at, one.finished_at), words)
        )
        detail = " · ".join(part for part in answer if part)
        return self._row(one.started_at, OUTCOME_SYMBOLS.get(outcome, "?"), what, detail, took=took)

    def _intervention(self, one: StoredIntervention) -> TimelineRow:
        words = self.words
        action = label(ACTIONS, one.action, words)
        what = words.action_by(action, one.actor)
        change = f"{label(STATES, one.before, words)} → {label(STATES, one.after, words)}"
        detail = " · ".join(part for part in (change, one.reason, one.evidence) if part)
        return self._row(one.at, "☞", what, detail)

    def _incident(self, one: StoredIncident) -> TimelineRow:
        closed = (
            ""
            if one.closed_at is None
            else self.words.by(one.closed_by, "closed by %(actor)s", "it is closed")
        )
        detail = " · ".join(
            part for part in (own_text(one.detail, self.words), closed, one.close_reason) if part
        )
        what = self.words.text("incident: %(kind)s", kind=label(INCIDENTS, one.kind, self.words))
        return self._row(one.at, "▲", what, detail)

    def _delivery(self, one: StoredDelivery) -> TimelineRow:
        state = label(DELIVERIES, one.state, self.words)
        what = self.words.text("the shop: %(state)s", state=state)
        detail = " · ".join(part for part in (one.type, one.destination, one.last_error) if part)
        return self._row(one.delivered_at or one.at, "✉", what, detail)

    def _row(
        self, at: datetime, symbol: str, what: str, detail: str, *, took: str = "", is_ahead: bool = False
    ) -> TimelineRow:
        after = f"+{self.words.duration(seconds_between(self.order.created_at, at))}"
        return TimelineRow(at, self.words.moment(at), after, symbol, what, detail, took, is_ahead)


def _latency(seconds: float, words: Words) -> str:
    if seconds < 1:
        return words.text("%(number)s ms", number=words.number(round(seconds * 1000)))
    return words.text("%(number)s s", number=words.number(round(seconds, 1)))
