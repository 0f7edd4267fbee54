"""A snapshot's numbers. The ages are what to alert on; the age that can be drained is what scaling may use."""

import math
from collections.abc import Iterator, Mapping, Sequence

from breakwall.breaker import BreakerStatus, CircuitState, OverrideMode
from breakwall.monitor.alarms import AlarmKind
from breakwall.monitor.backlog import Backlog
from breakwall.monitor.metrics.family import Family, FamilyKind, Values, gauge, gauges
from breakwall.monitor.obstacles import ObstacleKind
from breakwall.payments.db.clock import seconds_between
from breakwall.payments.outcomes.operator import Waiting


def backlog_families(backlog: Backlog) -> Iterator[Family]:
    """All gauges of a snapshot, but the circuit's."""
    yield from _orders(backlog)
    yield from _ages(backlog)
    yield from _drain(backlog)
    yield from _fleet(backlog)


def drainable_age(backlog: Backlog) -> float:
    """The age of the oldest due order if workers may send it, else 0.0: more workers could then do nothing."""
    may_drain = backlog.paused is None and lets_all_through(backlog.breaker)
    return backlog.oldest_due_age_seconds if may_drain else 0.0


def lets_all_through(status: BreakerStatus) -> bool:
    """Whether the circuit refuses no call: by its override, or closed."""
    if status.override is not None:
        return status.override.mode is not OverrideMode.FORCED_OPEN
    return status.state is CircuitState.CLOSED


def outcome_families(waiting: Sequence[Waiting]) -> Iterator[Family]:
    """What the shop has not been told yet, by the way to it."""

    def by_destination(name: str, text: str, values: Mapping[str, float]) -> Family:
        return gauges(name, text, "destination", values)

    counts = {one.destination: float(one.count) for one in waiting}
    late = {one.destination: float(one.late) for one in waiting}
    untaken = {one.destination: float(one.untaken) for one in waiting}
    yield by_destination("breakwall_outcomes_waiting", "Outcomes that the shop was not told yet", counts)
    yield by_destination("breakwall_outcomes_late", "1 if the oldest of them is late, else 0", late)
    yield by_destination(
        "breakwall_outcomes_untaken", "Those of them that no worker has taken in time", untaken
    )


def _orders(backlog: Backlog) -> Iterator[Family]:
    by_status = {name: float(getattr(backlog, name)) for name in ("queued", "in_flight", "review", "dead")}
    yield gauges("breakwall_orders", "Unfinished orders, and dead ones", "status", by_status)
    yield gauge("breakwall_orders_due", "Queued orders whose next attempt is due", backlog.due)
    yield gauge("breakwall_orders_abandoned", "Orders in flight with an expired claim", backlog.abandoned)
    rejected = "Queued orders that wait for a person to correct the settings"
    yield gauge("breakwall_orders_rejected", rejected, backlog.rejected.orders)
    drained = "Orders that had waited and were finished within the last minute"
    yield gauge("breakwall_orders_drained_last_minute", drained, backlog.drained_last_minute)
    amounts: Values = {("queued", currency): float(amount) for currency, amount in backlog.amounts.items()}
    money = "Money of the orders, in minor units: cents, or whole won"
    labels = ("status", "currency")
    yield Family(FamilyKind.GAUGE, "breakwall_order_amount_minor_units", money, labels, amounts)
    partial = "1 if numbers of the queued orders are lower bounds, else 0"
    yield gauge("breakwall_orders_lower_bound", partial, float(backlog.counted.is_partial))
    yield gauge("breakwall_incidents", "Open incidents", backlog.incidents)


def _ages(backlog: Backlog) -> Iterator[Family]:
    oldest, due = backlog.oldest_age_seconds, backlog.oldest_due_age_seconds
    yield gauge("breakwall_oldest_age_seconds", "Since the oldest queued order was accepted", oldest)
    yield gauge("breakwall_oldest_due_age_seconds", "Since the first due order was due", due)
    text = "The same, but 0 while the circuit is not closed or the queue is paused: for scaling"
    yield gauge("breakwall_drainable_age_seconds", text, drainable_age(backlog))


def _drain(backlog: Backlog) -> Iterator[Family]:
    eta = "Until the queue is empty; missing if that is not known"
    yield gauge("breakwall_drain_eta_seconds", eta, backlog.drain_eta_seconds)
    yield gauge("breakwall_paused", "1 while the queue is paused, else 0", float(backlog.paused is not None))
    since = 0.0 if backlog.paused is None else seconds_between(backlog.paused.at, backlog.at)
    yield gauge("breakwall_paused_seconds", "For how long the queue is paused; 0 if it is not", since)
    rate = math.inf if backlog.rate is None else backlog.rate
    yield gauge(
        "breakwall_drain_rate_limit", "Orders a second that workers may send; +Inf without a limit", rate
    )
    blocking = {obstacle.kind for obstacle in backlog.blocked_by}
    kinds = {kind.value: float(kind in blocking) for kind in ObstacleKind}
    yield gauges("breakwall_blocked", "1 for what holds the queued orders, else 0", "by", kinds)


def _fleet(backlog: Backlog) -> Iterator[Family]:
    yield gauge("breakwall_workers", "Live workers", backlog.workers)
    yield gauge("breakwall_worker_slots", "Orders that they process at the same time", backlog.slots)
    yield gauge("breakwall_workers_lacking", "Those with an exhausted resource", backlog.workers_lacking)
    messages = backlog.broker_messages
    yield gauge("breakwall_broker_up", "1 if the broker answers, else 0", float(messages is not None))
    yield gauge("breakwall_broker_messages", "Messages that wait at the broker", messages)
    raised = {alarm.kind for alarm in backlog.warnings}
    kinds = {kind.value: float(kind in raised) for kind in AlarmKind}
    yield gauges("breakwall_warning", "1 for a warning of `breakwall backlog`, else 0", "kind", kinds)
