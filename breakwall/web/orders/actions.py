"""What an operator does with one order: the same for the HTTP routes and for the page."""

from __future__ import annotations

from dataclasses import dataclass

from breakwall.payments.db.own_gateway import is_own_order
from breakwall.payments.decisions import next_step
from breakwall.payments.gateways import profile_from_settings
from breakwall.payments.interventions import Action, Author
from breakwall.payments.ledger.progress import progress_of
from breakwall.payments.ledger.queries import Naming
from breakwall.payments.ledger.queries import get_order as find_order
from breakwall.payments.operator.locking import may_have_charged
from breakwall.payments.operator.outlook import Outlook, outlook
from breakwall.payments.operator.possible import possible_actions, possible_now
from breakwall.payments.operator.resolve import resolve_not_charged, resolve_paid
from breakwall.payments.operator.retry_and_cancel import cancel_order, retry_order
from breakwall.payments.orders import StoredOrder
from breakwall.web.services import Services
from breakwall.wiring import lease_seconds, retry_policy


@dataclass(frozen=True, slots=True)
class RetriedNow:
    """An order that is due at once, and what a worker does with it."""

    order: StoredOrder
    outlook: Outlook


@dataclass(frozen=True, slots=True)
class OrderNow:
    """An order as it is now, and what it allows."""

    order: StoredOrder
    possible: list[Action]
    may_have_charged: bool

    @property
    def has_key_conflict(self) -> bool:
        """Its key leads to something else at the payment service, so it cannot be retried."""
        return Action.RETRY in possible_actions(self.order.status) and Action.RETRY not in self.possible


def retry(services: Services, before: StoredOrder, author: Author, evidence: str | None) -> RetriedNow:
    """Make the order due at once. ``evidence``: why it may get a new key, or None. Raises as `retry_order`."""
    order = retry_order(
        services.database,
        before.id,
        author,
        by=Naming.ID,
        looks_up=profile_from_settings(services.settings).looks_up,
        gateway=services.settings.gateway_name,
        uncharged=evidence,
        clock=services.clock,
    )
    return RetriedNow(order, _outlook(services, before, order, vouched_for=evidence is not None))


def cancel(services: Services, before: StoredOrder, author: Author) -> StoredOrder:
    """Cancel the order, now or once it is proven that nothing was charged. Raises as `cancel_order`."""
    return cancel_order(services.database, before.id, author, by=Naming.ID, clock=services.clock)


def resolve_as_paid(services: Services, before: StoredOrder, charge_id: str, author: Author) -> StoredOrder:
    """The payment service has charged the order. Raises as `resolve_paid`."""
    account, database = services.settings.payment_account, services.database
    return resolve_paid(
        database, before.id, charge_id, author, by=Naming.ID, account=account, clock=services.clock
    )


def resolve_as_not_charged(services: Services, before: StoredOrder, author: Author) -> StoredOrder:
    """The payment service has not charged the order. Raises as `resolve_not_charged`."""
    return resolve_not_charged(services.database, before.id, author, by=Naming.ID, clock=services.clock)


def order_now(services: Services, order_id: str) -> OrderNow:
    """The order and what it allows. Raises as `get_order`."""
    order = find_order(services.database, order_id, Naming.ID)
    return services.database.read(
        lambda connection: OrderNow(
            order, possible_now(connection, order), may_have_charged(connection, order)
        )
    )


def _outlook(services: Services, before: StoredOrder, order: StoredOrder, *, vouched_for: bool) -> Outlook:
    if not is_own_order(order, services.settings.gateway_name):
        return Outlook.OTHER_GATEWAY
    lease = lease_seconds(services.settings)
    progress = services.database.read(
        lambda connection: progress_of(connection, services.clock, order.id, lease=lease)
    )
    step = next_step(progress, profile_from_settings(services.settings), retry_policy(services.settings))
    return outlook(step, progress, rotated=order.charge_key != before.charge_key, vouched_for=vouched_for)
