"""The way of one order through its states, from what is stored about it. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from breakwall.payments.interventions import StoredIntervention
from breakwall.payments.orders import OrderStatus, StoredAttempt, StoredOrder


@dataclass(frozen=True, slots=True)
class StateChange:
    """A change of the state; ``before`` None: the order was accepted."""

    before: OrderStatus | None
    after: OrderStatus


@dataclass(frozen=True, slots=True)
class _Moment:
    """A state that held from a point in time on. ``attempt``: the end of one; the state after it is not stored."""

    at: datetime
    state: OrderStatus | None
    attempt: int = 0


def order_path(
    order: StoredOrder, attempts: Sequence[StoredAttempt], interventions: Sequence[StoredIntervention]
) -> list[StateChange]:
    """The changes of the state, first to last; the last one leads to the order's state now.

    The state after an attempt is not stored. It is what comes next: another attempt of a waiting order, a person's
    action, or the present.
    """
    states = _filled(_moments(order, attempts, interventions), order.status)
    steps: list[StateChange] = []
    before: OrderStatus | None = None
    for after in states:
        if after is not before:
            steps.append(StateChange(before, after))
        before = after
    return steps


def _moments(
    order: StoredOrder, attempts: Sequence[StoredAttempt], interventions: Sequence[StoredIntervention]
) -> list[_Moment]:
    found = [_Moment(order.created_at, None if _was_charged_at_once(attempts) else OrderStatus.QUEUED)]
    for attempt in attempts:
        found.append(_Moment(attempt.started_at, OrderStatus.IN_FLIGHT))
        if attempt.finished_at is not None:
            found.append(_Moment(attempt.finished_at, None, attempt.number))
    for one in interventions:
        found += [_Moment(one.at, one.before), _Moment(one.at, one.after)]
    return sorted(found, key=lambda moment: moment.at)  # Stable: an action's two states stay in order.


def _was_charged_at_once(attempts: Sequence[StoredAttempt]) -> bool:
    return bool(attempts) and attempts[0].source == "producer"


def _filled(moments: Sequence[_Moment], now: OrderStatus) -> Iterator[OrderStatus]:
    for moment, later in zip(moments, [*moments[1:], None], strict=True):
        if moment.state is not None:
            yield moment.state
        elif moment.attempt and later is not None and later.state is OrderStatus.IN_FLIGHT:
            yield OrderStatus.QUEUED
    yield now
