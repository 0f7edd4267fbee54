"""`breakwall orders place`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any

import typer

from breakwall.cli.errors import ExitCode
from breakwall.terminal.options import Format, OutputOption

if TYPE_CHECKING:
    from breakwall.payments.orders import Order
    from breakwall.producers.producer import PlaceResult

_MEANINGS = {
    "paid": "It is paid.",
    "queued": "It waits in the queue: the payment service cannot charge it now, a worker will.",
    "in_flight": "It is accepted and is being charged: a worker will see to its end.",
    "declined": "The payment service declined it.",
    "review": "Nobody can tell whether it was charged: a person has to look at it.",
    "dead": "It was given up: `breakwall orders show` tells why, and what is known of its attempts.",
    "cancelled": "It was cancelled: `breakwall orders show` tells what is known of its attempts.",
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
            help="Your own name for the order: placed again with it, nothing happens.",
        ),
    ],
    output: OutputOption = Format.TEXT,
) -> None:
    """Accept one order: charge it now, or queue it while the payment service is down.

    Exits with 0 when the order is paid or will be seen to (queued, in flight), and with 4 when it is
    declined or, placed before with the same key, has ended otherwise (dead, cancelled, review).
    """
    from breakwall.payments.orders import Order

    order = Order(user_id=user, amount=_amount(amount), currency=currency, idempotency_key=key)

    from breakwall.producers.producer import (
        OrderProducer,  # half a second, which a refused order need not wait
    )

    with OrderProducer.from_settings() as producer:
        result = producer.place(order)
    _tell(order, result, output)
    if result.status not in {"paid", "queued", "in_flight"}:
        raise typer.Exit(ExitCode.REFUSED)


def _amount(text: str) -> Any:
    """The number that the text is, or the text itself: then `Order` says what would be right.

    Cut short when it is far beyond any amount: Python refuses to read integers of thousands of digits.
    """
    return int(text[:31]) if re.fullmatch(r"-?[0-9]+", text) else text


def _tell(order: Order, result: PlaceResult, output: Format) -> None:
    from breakwall.cli.orders.documents import placed_document
    from breakwall.currencies import show_money
    from breakwall.terminal.output import data, plain, write_fields, write_json
    from breakwall.terminal.words import state

    if output is Format.JSON:
        write_json(placed_document(order, result))
        return
    known = "It was placed before with this key, nothing was done now. " if result.replayed else ""
    data().print(f"{known}{_MEANINGS[result.status]}", highlight=False)
    fields = {
        "order": result.order_id,
        "key": plain(order.idempotency_key),
        "amount": f"{show_money(order.amount, order.currency)} from {plain(order.user_id)}",
        "status": state(result.status.value),
    }
    if result.charge_id:
        fields["charge"] = plain(result.charge_id)
    write_fields(fields)
