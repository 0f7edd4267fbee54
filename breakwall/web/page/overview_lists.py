"""The lists of the overview, read with each snapshot: what waits for a person, and what people did."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from breakwall.monitor.history.circuit_history import newest_transitions
from breakwall.monitor.history.transitions import CircuitTransition
from breakwall.payments.db.errors import DatabaseUnavailableError, SchemaError
from breakwall.payments.incidents import StoredIncident
from breakwall.payments.operator.audit_entries import AuditEntry, AuditFilter, list_audit
from breakwall.payments.operator.bulk_retry.record import BulkRetries, BulkRetry
from breakwall.payments.operator.incidents import count_open, newest_incidents
from breakwall.payments.orders import OrderStatus
from breakwall.web.page.order_search import FoundOrder, find_orders
from breakwall.web.services import Services

_WANTED = (OrderStatus.DEAD, OrderStatus.REVIEW)  # Only a person changes them.
_MOST_WANTED, _MOST_INCIDENTS, _MOST_BULK, _MOST_ACTIONS = 20, 10, 5, 10
# Of the circuit: a hundred probes that failed, and before them the opening that explains them.
_MOST_TRANSITIONS, _MOST_CIRCUIT_ACTIONS = 202, 6


@dataclass(frozen=True, slots=True)
class OverviewLists:
    """Each list with the newest first."""

    wanted: Sequence[FoundOrder]
    open_incidents: int
    incidents: Sequence[StoredIncident]  # The open ones, at most `_MOST_INCIDENTS`.
    bulk_retries: Sequence[BulkRetry] | None  # None: the database has no table for them yet.
    actions: Sequence[AuditEntry]
    transitions: Sequence[CircuitTransition] = ()
    circuit_actions: Sequence[AuditEntry] = ()  # What people did to the circuit.


def read_lists(services: Services) -> OverviewLists | None:
    """The lists; None while the database does not answer."""
    database = services.database
    try:
        return OverviewLists(
            find_orders(database, states=_WANTED, limit=_MOST_WANTED).orders,
            database.read(count_open),
            database.read(lambda connection: newest_incidents(connection, limit=_MOST_INCIDENTS)),
            _bulk_retries(services),
            database.read(lambda connection: list_audit(connection, limit=_MOST_ACTIONS)),
            database.read(lambda connection: newest_transitions(connection, limit=_MOST_TRANSITIONS)),
            database.read(
                lambda connection: list_audit(
                    connection, AuditFilter(action="breaker"), limit=_MOST_CIRCUIT_ACTIONS
                )
            ),
        )
    except DatabaseUnavailableError:
        return None


def _bulk_retries(services: Services) -> Sequence[BulkRetry] | None:
    try:
        return BulkRetries(services.database, clock=services.clock).newest(_MOST_BULK)
    except SchemaError:  # Before revision 0008.
        return None
