"""`breakwall orders resolve`."""

from typing import Annotated

import typer

from breakwall.cli.orders.naming import IdOption, KeyOption, NameArgument, naming
from breakwall.cli.orders.order_fields import order_lines
from breakwall.cli.orders_database import orders_database
from breakwall.json_documents import order_document
from breakwall.payments.interventions import InvalidAuthorError
from breakwall.terminal.authors import ActorOption, ReasonOption, author
from breakwall.terminal.options import Format, OutputOption, refuse_where, require
from breakwall.terminal.output import write_result

_MEANINGS = {
    "paid": "It is paid: you stated its charge.",
    "dead": "It is dead: you stated that nothing was charged. `breakwall orders retry` tries it again.",
    "cancelled": "It is cancelled, as requested: you stated that nothing was charged.",
}


def resolve(
    name: NameArgument,
    by_id: IdOption = False,
    by_key: KeyOption = False,
    paid: Annotated[
        str | None,
        typer.Option(metavar="CHARGE_ID", help="It was charged: the payment service's id of the charge."),
    ] = None,
    not_charged: Annotated[
        bool, typer.Option("--not-charged", help="It was not charged: needs --reason.")
    ] = False,
    reason: ReasonOption = None,
    actor: ActorOption = None,
    output: OutputOption = Format.TEXT,
) -> None:
    """Finish an order with what you found out at the payment service.

    --paid makes an order paid, with that charge, in any state but paid. If it is not in review, --reason is needed:
    how is it known that this is the order's charge?

    --not-charged makes an order in review dead, or cancelled if its cancellation was requested. No further look-up
    is made, and the order can be retried. If a charge is found later, the order is paid and an incident reports it.

    Exits with 4 and changes nothing if the order's state does not allow it, if the charge belongs to another order, or
    if the name is one order's id and another order's key: then add --id or --key.
    """
    by = naming(by_id=by_id, by_key=by_key)
    refuse_where((paid is not None and not_charged, "--paid", "cannot be combined with --not-charged"))
    require(
        (paid is not None or not_charged, "--paid CHARGE_ID or --not-charged", "what did you find out?"),
        (paid is not None or reason is not None, "--reason", "how is that known? The reason is recorded"),
    )
    who = author(actor, reason)

    from breakwall.payments.operator.resolve import InvalidChargeError, resolve_not_charged, resolve_paid

    with orders_database() as (database, settings):
        try:
            if paid is None:
                order = resolve_not_charged(database, name, who, by=by)
            else:
                order = resolve_paid(database, name, paid, who, by=by, account=settings.payment_account)
        except InvalidChargeError as error:
            raise typer.BadParameter(str(error), param_hint="--paid") from None
        except InvalidAuthorError as error:
            raise typer.BadParameter(error.problem, param_hint=f"--{error.field}") from None
    write_result(output, order_document(order), _MEANINGS[order.status], *order_lines(order))
