"""The lists of the overview, read with each snapshot: what waits for a person, and what people did."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from breakwall.monitor.history.circuit_history import newest_transitions
from breakwall.monitor.history.transitions import CircuitTransition
from breakwall.payments.db.database import Database
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

    wanted: Sequence[FoundOrder]  # At most `_MOST_WANTED`.
    open_incidents: int
    incidents: Sequence[StoredIncident]  # The open ones, at most `_MOST_INCIDENTS`.
    bulk_retries: Sequence[BulkRetry] | None  # None: the database has no table for them yet.
    actions: Sequence[AuditEntry]
    transitions: Sequence[CircuitTransition] = ()
    circuit_actions: Sequence[AuditEntry] = ()  # What people did to the circuit.
    is_any_dead: bool = False  # Whether there is a dead order, in the list or not.


def read_lists(services: Services) -> OverviewLists | None:
    """The lists; None while the database does not answer."""
    database = services.database
    try:
        wanted = find_orders(database, states=_WANTED, limit=_MOST_WANTED).orders
        return OverviewLists(
            wanted,
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
            _is_any_dead(database, wanted),
        )
    except DatabaseUnavailableError:
        return None


def _is_any_dead(database: Database, wanted: Sequence[FoundOrder]) -> bool:
    """The newest ones tell, unless they are all in review; then an index."""
    if len(wanted) < _MOST_WANTED or any(one.status is OrderStatus.DEAD for one in wanted):
        return any(one.status is OrderStatus.DEAD for one in wanted)
    return bool(find_orders(database, states=[OrderStatus.DEAD], limit=1).orders)


def _bulk_retries(services: Services) -> Sequence[BulkRetry] | None:
    try:
        return BulkRetries(services.database, clock=services.clock).newest(_MOST_BULK)
    except SchemaError:  # Before revision 0008.
        return None
