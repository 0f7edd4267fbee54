"""`breakwall orders resolve`."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Annotated

import typer

from breakwall.cli.orders.find import IdOption, KeyOption, NameArgument, naming
from breakwall.cli.orders.show import write_order
from breakwall.terminal.authors import ActorOption, ReasonOption, author
from breakwall.terminal.options import Format, OutputOption

if TYPE_CHECKING:
    from breakwall.payments.actions import Author
    from breakwall.payments.ledger.queries import Naming
    from breakwall.payments.operator.resolve import Resolution
    from breakwall.payments.orders import StoredOrder

_MEANINGS = {
    "paid": "It is paid, on your word.",
    "dead": "It is dead: nothing was charged, on your word. `breakwall orders retry` sends it round again.",
    "cancelled": "It is cancelled, as was asked for: nothing was charged, on your word.",
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
        bool, typer.Option("--not-charged", help="It was not charged: needs a --reason.")
    ] = False,
    reason: ReasonOption = None,
    actor: ActorOption = None,
    output: OutputOption = Format.TEXT,
) -> None:
    """End an order with what you found out at the payment service.

    --paid makes it paid, with that charge: any order that is not paid. One that is not in review needs a --reason:
    how is it known that this charge is the order's? --not-charged makes an order in review dead (cancelled, where
    that was asked for): what may have charged is settled, nothing is looked up any more, and it can be sent round
    again. Should a charge turn up after all, the order is paid and an incident tells of it.

    Exits with 4, and changes nothing, when the order's state does not allow it, when the charge is another order's, or
    when the name is one order's id and another one's key: then --id or --key decides.
    """
    by = naming(by_id=by_id, by_key=by_key)
    if (paid is None) is not not_charged:
        raise typer.BadParameter("say which: --paid CHARGE_ID, or --not-charged", param_hint="--paid")
    if not_charged and reason is None:
        raise typer.BadParameter("how is that known? It is noted", param_hint="--reason")
    who = author(actor, reason)

    from breakwall.payments.operator.resolve import Resolution
    from breakwall.settings import load_settings
    from breakwall.wiring import open_database

    settings = load_settings()
    with closing(open_database(settings)) as database:
        order = _resolve(Resolution(database, account=settings.payment_account), name, by, paid, who)
    _tell(order, output)


def _resolve(
    resolution: Resolution, name: str, by: Naming, charge_id: str | None, who: Author
) -> StoredOrder:
    from breakwall.payments.actions import InvalidAuthorError
    from breakwall.payments.operator.resolve import InvalidChargeError

    if charge_id is None:
        return resolution.not_charged(name, who, by=by)
    try:
        return resolution.paid(name, charge_id, who, by=by)
    except InvalidChargeError as error:
        raise typer.BadParameter(str(error), param_hint="--paid") from None
    except InvalidAuthorError as error:
        raise typer.BadParameter(error.problem, param_hint=f"--{error.field}") from None


def _tell(order: StoredOrder, output: Format) -> None:
    from breakwall.cli.orders.documents import order_document
    from breakwall.terminal.output import data, write_json

    if output is Format.JSON:
        write_json(order_document(order))
        return
    data().print(_MEANINGS[order.status], highlight=False)
    write_order(order)
