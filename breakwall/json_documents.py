"""Orders, incidents, circuits, backlogs and workers as JSON: plain values with public names, the same everywhere.

Points in time are ISO 8601 texts in UTC.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    from breakwall.access.stored_tokens import StoredToken
    from breakwall.breaker import BreakerStatus
    from breakwall.monitor.backlog import Backlog
    from breakwall.monitor.history.sample import Sample
    from breakwall.monitor.history.transitions import CircuitTransition
    from breakwall.payments.fleet.drain_control import DrainState
    from breakwall.payments.fleet.workers import Worker
    from breakwall.payments.incidents import StoredIncident
    from breakwall.payments.interventions import StoredIntervention
    from breakwall.payments.operator.audit_entries import AuditEntry
    from breakwall.payments.operator.bulk_retry.preview import Preview
    from breakwall.payments.operator.bulk_retry.record import BulkRetry
    from breakwall.payments.orders import Order, StoredAttempt, StoredOrder
    from breakwall.payments.outcomes.operator import StoredDelivery
    from breakwall.producers.pending import PlaceResult

# The circuit's fields that hold seconds since 1970.
_EPOCH_FIELDS = {
    "opened_at",
    "open_until",
    "last_failure_at",
    "passing_since",
    "store_time",
    "set_at",
    "expires_at",
}


def order_document(order: StoredOrder) -> dict[str, Any]:
    """An order's fields, except its payment method: only whether there is one."""
    return _without_payment_method(_document(order))


def order_history_document(
    order: StoredOrder,
    attempts: Sequence[StoredAttempt],
    interventions: Sequence[StoredIntervention],
    incidents: Sequence[StoredIncident],
    deliveries: Sequence[StoredDelivery],
) -> dict[str, Any]:
    """An order's fields, its attempts, interventions and incidents, and what the shop is told, each first to last."""
    return {
        **order_document(order),
        "attempts": [_document(attempt) for attempt in attempts],
        "interventions": [_document(intervention) for intervention in interventions],
        "incidents": [_document(incident) for incident in incidents],
        "outcomes": [delivery_document(delivery) for delivery in deliveries],
    }


def placed_order_document(order: Order, result: PlaceResult) -> dict[str, Any]:
    """An order that was placed, and its state afterwards."""
    return {
        "id": result.order_id,
        "idempotency_key": order.idempotency_key,
        **_without_payment_method(_document(order)),
        "status": result.status.value,
        "reason": result.reason,
        "charge_id": result.charge_id,
        "replayed": result.replayed,
    }


def retried_order_document(order: StoredOrder, drain: DrainState) -> dict[str, Any]:
    """An order that was retried by its name. ``released``: it is worked on although the queue is paused."""
    return {**order_document(order), "released": drain.paused is not None}


def incident_document(incident: StoredIncident) -> dict[str, Any]:
    """An incident's fields. Those about its closing are null while it is open."""
    return _document(incident)


def delivery_document(delivery: StoredDelivery) -> dict[str, Any]:
    """The delivery of an event. The destination is null while no worker has taken the event."""
    return _document(delivery)


def token_document(token: StoredToken) -> dict[str, Any]:
    """A token of the API, without the token itself, which nobody has."""
    return _document(token)


def audit_document(entry: AuditEntry) -> dict[str, Any]:
    """What a person did. The result is null if the process that did it ended before it said how it went."""
    return _document(entry)


def breaker_document(status: BreakerStatus) -> dict[str, Any]:
    """A circuit's status."""
    return _with_moments(asdict(status))


def transition_document(transition: CircuitTransition) -> dict[str, Any]:
    """One change of a circuit's state, with its cause."""
    fields = _document(transition)
    fields.pop("id", None)
    return fields


def backlog_document(backlog: Backlog) -> dict[str, Any]:
    """A snapshot's numbers and warnings. The broker's messages are null if it does not answer, for any reason."""
    fields = asdict(backlog)
    del fields["broker_awaits_worker"]
    paused = None if backlog.paused is None else _document(backlog.paused)
    return {
        **fields,
        "at": backlog.at.isoformat(),
        "breaker": breaker_document(backlog.breaker),
        "paused": paused,
        "failures": [_document(group) for group in backlog.failures],
    }


def bulk_retry_document(bulk: BulkRetry) -> dict[str, Any]:
    """A bulk retry: what it is for, its counts, its progress, and the seconds that are left by an estimate."""
    fields = _document(bulk)
    for private in ("position", "next_at", "read_at"):
        del fields[private]
    fields["limit"] = fields.pop("order_limit")
    return {**fields, "done": bulk.done, "seconds_left": bulk.seconds_left}


def preview_document(seen: Preview) -> dict[str, Any]:
    """What a retry would do, in numbers of orders; null where they were not counted."""
    skipped = (
        None if seen.skipped is None else {state.value: number for state, number in seen.skipped.items()}
    )
    return {
        "dry_run": True,
        "eligible": seen.eligible,
        "looked_up_first": seen.looked_up_first,
        "already_paid": seen.already_paid,
        "skipped": skipped,
        "to_be_resolved": seen.to_be_resolved,
    }


def stat_document(backlog: Backlog, arrivals: float | None, finished: float | None) -> dict[str, Any]:
    """One line of `backlog --stat`. ``arrivals`` and ``finished`` are orders a second; null if they are not known."""
    names = (
        "counted",
        "queued",
        "due",
        "in_flight",
        "review",
        "dead",
        "oldest_age_seconds",
        "broker_messages",
    )
    override = backlog.breaker.override
    return {
        "at": backlog.at.isoformat(),
        "breaker": backlog.breaker.state.value,
        "override": None if override is None else override.mode.value,
        **{name: getattr(backlog, name) for name in names},
        "arrivals_per_second": arrivals,
        "finished_per_second": finished,
        "workers": backlog.workers,
    }


def history_point_document(sample: Sample) -> dict[str, Any]:
    """One point of the backlog's history."""
    return _document(sample)


def drain_document(state: DrainState) -> dict[str, Any]:
    """What operators have decided for the drain; ``paused`` and ``rate`` are null if nothing holds."""
    return {
        "paused": None if state.paused is None else _document(state.paused),
        "rate": None if state.rate is None else _document(state.rate),
    }


def fleet_document(backlog: Backlog, fleet: Sequence[Worker]) -> dict[str, Any]:
    """The workers and the backlog's warnings."""
    document = backlog_document(backlog)
    return {
        "at": document["at"],
        "alive": backlog.workers,
        "workers": [_document(worker) for worker in fleet],
        "warnings": document["warnings"],
    }


def _without_payment_method(fields: dict[str, Any]) -> dict[str, Any]:
    has_one = fields.pop("payment_method") is not None
    return {**fields, "has_payment_method": has_one}


def _document(row: DataclassInstance) -> dict[str, Any]:
    fields = asdict(row)
    return {n: value.isoformat() if isinstance(value, datetime) else value for n, value in fields.items()}


def _with_moments(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: _plain(name, value) for name, value in fields.items()}


def _plain(name: str, value: Any) -> Any:
    if isinstance(value, dict):
        return _with_moments(value)
    if name in _EPOCH_FIELDS and value is not None:
        return datetime.fromtimestamp(value, UTC).isoformat()
    return value
