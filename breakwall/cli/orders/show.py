"""`breakwall orders show`."""

from typing import Annotated

import typer

from breakwall.cli.orders.naming import IdOption, KeyOption, NameArgument, naming
from breakwall.cli.orders_database import orders_database
from breakwall.json_documents import order_history_document
from breakwall.terminal.options import Format, OutputOption
from breakwall.terminal.output import write_json


def show(
    name: NameArgument,
    by_id: IdOption = False,
    by_key: KeyOption = False,
    everything: Annotated[
        bool, typer.Option("--all", help="Every attempt, intervention and incident, and no text cut short.")
    ] = False,
    output: OutputOption = Format.TEXT,
) -> None:
    """Show one order, its attempts, and what people did.

    Text shows as much as one screen holds: the newest attempts, interventions and incidents. --all and JSON show
    everything.

    Exits with 3 when there is none, and with 4 when the name is one order's id and another one's key: then
    --id or --key decides.
    """
    by = naming(by_id=by_id, by_key=by_key)

    from breakwall.cli.orders.order_screen import write_order
    from breakwall.payments.ledger.audit import list_incidents, list_interventions
    from breakwall.payments.ledger.queries import get_order, list_attempts

    with orders_database() as (database, _):
        order = get_order(database, name, by)
        attempts = list_attempts(database, order.id)
        interventions = list_interventions(database, order.id)
        incidents = list_incidents(database, order.id)
    if output is Format.JSON:
        write_json(order_history_document(order, attempts, interventions, incidents))
    else:
        write_order(order, attempts, interventions, incidents, everything=everything)
