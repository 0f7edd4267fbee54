"""One order's fields as text."""

from datetime import datetime

from breakwall.currencies import show_money
from breakwall.payments.orders import Order, StoredOrder
from breakwall.terminal.output import field_lines, plain
from breakwall.terminal.words import count, moment, state


def order_lines(order: StoredOrder) -> list[str]:
    """An order's fields as lines of Rich markup."""
    return field_lines(order_fields(order))


def charged_fields(order: Order | StoredOrder) -> dict[str, str]:
    """What an order charges, as Rich markup, by name: for an order that is placed and for one that is stored.

    Its payment method is secret: only that there is one.
    """
    method = " by the given payment method" if order.payment_method else ""
    fields = {"amount": f"{show_money(order.amount, order.currency)} from {plain(order.user_id)}{method}"}
    if order.charge_before is not None:
        fields["charge before"] = _last_moment(order.charge_before)
    if order.description:
        fields["description"] = plain(order.description)
    if order.metadata:
        fields["metadata"] = plain(", ".join(f"{name}={text}" for name, text in order.metadata.items()))
    return fields


def _last_moment(given: datetime | float) -> str:
    return moment(given) if isinstance(given, datetime) else f"{given:,.12g} s after it was accepted"


def order_fields(order: StoredOrder) -> dict[str, str]:
    """An order's fields as Rich markup, by name."""
    cancelling = ", to be cancelled" if order.cancel_requested and order.status != "cancelled" else ""
    gateway = f" to {plain(order.gateway)}" if order.gateway else ""
    reason = f" ({plain(order.reason)})" if order.reason else ""
    fields = {
        "order": order.id,
        "key": plain(order.idempotency_key),
        "sent as": plain(order.charge_key) + gateway,
        **charged_fields(order),
        "status": state(order.status.value) + cancelling + reason,
        "charge": plain(order.charge_id or "-"),
        "retries": f"{order.retry_count} by workers; deferred {count(order.deferral_count, 'time')}",
        "next attempt": moment(order.next_attempt_at),
        "last error": plain(order.last_error or "-"),
        "accepted": moment(order.created_at),
        "finished": moment(order.settled_at),
    }
    if order.suspected_at is not None:
        fields["suspected"] = f"since {moment(order.suspected_at)}: looked up before anything is sent"
    return fields
