"""`breakwall orders place`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any

import typer

from breakwall.cli.orders.metadata_option import metadata_named
from breakwall.cli.orders.order_fields import charged_fields
from breakwall.errors import ExitCode
from breakwall.json_documents import placed_order_document
from breakwall.payments.db.lock_timeouts import LOCK_TIMEOUT
from breakwall.payments.orders import EndReason, Order, expiry_in
from breakwall.terminal.options import Format, OutputOption
from breakwall.terminal.output import field_lines, plain, write_result
from breakwall.terminal.words import state

if TYPE_CHECKING:
    from breakwall.producers.pending import PlaceResult
    from breakwall.producers.producer import OrderProducer

_MEANINGS = {
    "paid": "It is paid.",
    "queued": "It waits in the queue: a worker charges it later. If it may have been charged, the worker asks first.",
    "in_flight": "It is accepted and is being charged. If this process stops, a worker continues.",
    "declined": "The payment service declined it.",
    "review": "It is unknown whether it was charged: a person has to find out.",
    "dead": "It was not charged, and nothing more is tried: `breakwall orders show` shows its attempts.",
    "cancelled": "It was cancelled: `breakwall orders show` shows its attempts.",
}
# More exact ones, by the reason of the end.
_REASONS: dict[str, str] = {
    EndReason.REFUSED: "The payment service refused it, and would never accept it: nothing was charged.",
    EndReason.EXHAUSTED: "Its attempts are used up, and nothing was charged.",
    EndReason.EXPIRED: "Its last moment passed before it was charged.",
    EndReason.WRONG_CHARGE: "The payment service named another charge than the order's: a person has to find out.",
    EndReason.KEY_CONFLICT: "The payment service knows its key with another payment: a person has to find out.",
}


def place(
    user: Annotated[str, typer.Option(metavar="USER", help="Who pays.")],
    amount: Annotated[
        str, typer.Option(metavar="N", help="Minor units: 10000 is ₩10,000 in KRW and $100.00 in USD.")
    ],
    currency: Annotated[str, typer.Option(metavar="CODE", help="An ISO 4217 code, such as KRW.")],
    key: Annotated[
        str,
        typer.Option(
            metavar="KEY",
            help="Your own name for the order. Placing the same order again with this key charges nothing.",
        ),
    ],
    payment_method: Annotated[
        str | None,
        typer.Option(
            metavar="TOKEN",
            help="The payment service's token for what is charged, never a card number. Other users of this machine "
            "can see it while the command runs.",
        ),
    ] = None,
    description: Annotated[
        str | None, typer.Option(metavar="TEXT", help="For the payment service: at most 500 characters.")
    ] = None,
    metadata: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE", help="For the payment service; may be repeated, at most 20 times."
        ),
    ] = None,
    gateway: Annotated[
        str | None, typer.Option(metavar="NAME", help="The configured gateway that must charge it.")
    ] = None,
    charge_before: Annotated[
        str | None,
        typer.Option(
            metavar="WHEN",
            help="Nothing is sent after it: a moment such as 2026-11-28T18:00:00+01:00, or a time from now: 90s, 10m, "
            "2h.",
        ),
    ] = None,
    output: OutputOption = Format.TEXT,
) -> None:
    """Accept one order: charge it now, or queue it while the payment service is down.

    Waits for the payment service until the timeout, BREAKWALL_PAYMENT_TIMEOUT.

    Exits with 0 if the order is paid, queued or in flight. Exits with 4 if it is declined, or if it was placed before
    with the same key and is dead, cancelled or in review.
    """
    order = Order(
        user_id=user,
        amount=_amount(amount),
        currency=currency,
        idempotency_key=key,
        payment_method=payment_method,
        description=description,
        metadata=metadata_named(metadata or []),
        gateway=gateway,
        charge_before=expiry_in(charge_before),
    )

    # Imported after the order's check: it takes half a second, and a bad order is refused at once.
    from breakwall.producers.producer import OrderProducer
    from breakwall.settings import load_settings

    settings = load_settings()
    with OrderProducer.from_settings(settings) as producer:
        # A person waits for the outcome. The database's locks are a part of the time.
        result = producer.place(order, wait=settings.payment_timeout + LOCK_TIMEOUT)
        is_refused = result.status not in {"paid", "queued", "in_flight"}
        error = _last_error(producer, result) if is_refused and output is Format.TEXT else None
    write_result(output, placed_order_document(order, result), *_lines(order, result, error))
    if is_refused:
        raise typer.Exit(ExitCode.REFUSED)


def _amount(text: str) -> Any:
    """The number in the text, or the text itself if it is no number: then `Order` says what would be right.

    It is cut after 31 characters, more than any amount has: Python refuses integers with thousands of digits.
    """
    return int(text[:31]) if re.fullmatch(r"-?[0-9]+", text) else text


def _last_error(producer: OrderProducer, result: PlaceResult) -> str | None:
    """None if it is not kept, or cannot be read: the order's state is known without it."""
    from breakwall.payments.db.database import DatabaseUnavailableError
    from breakwall.payments.ledger.queries import Naming

    try:
        return producer.get(result.order_id, Naming.ID).last_error
    except (LookupError, DatabaseUnavailableError):
        return None


def meaning(result: PlaceResult) -> str:
    """An order's state as a sentence of Rich markup, with the reason of its end."""
    if result.status == "declined" and result.reason not in {None, EndReason.DECLINED}:
        return f"The payment service declined it: {plain(result.reason)}."
    exact = _REASONS.get(result.reason or "") if result.status in {"dead", "review", "cancelled"} else None
    return exact or _MEANINGS[result.status]


def _lines(order: Order, result: PlaceResult, error: str | None) -> list[str]:
    known = "It was placed before with this key; nothing was changed. " if result.replayed else ""
    fields = {
        "order": result.order_id,
        "key": plain(order.idempotency_key),
        **charged_fields(order),
        "status": state(result.status.value),
    }
    if result.charge_id:
        fields["charge"] = plain(result.charge_id)
    if error:
        fields["last error"] = plain(error)
    return [f"{known}{meaning(result)}", *field_lines(fields)]
