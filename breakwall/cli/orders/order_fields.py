"""One order's fields as text."""

from breakwall.currencies import show_money
from breakwall.payments.orders import Order, StoredOrder
from breakwall.terminal.output import field_lines, plain
from breakwall.terminal.words import count, moment, state


def order_lines(order: StoredOrder) -> list[str]:
    """An order's fields as lines of Rich markup."""
    return field_lines(order_fields(order))


def charged_fields(order: Order | StoredOrder) -> dict[str, str]:
    """What an order charges, as Rich markup, by name: for an order that is placed and for one that is stored."""
    return {"amount": f"{show_money(order.amount, order.currency)} from {plain(order.user_id)}"}


def order_fields(order: StoredOrder) -> dict[str, str]:
    """An order's fields as Rich markup, by name."""
    cancelling = ", to be cancelled" if order.cancel_requested and order.status != "cancelled" else ""
    fields = {
        "order": order.id,
        "key": plain(order.idempotency_key),
        "sent as": plain(order.charge_key),
        **charged_fields(order),
        "status": state(order.status.value) + cancelling,
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
