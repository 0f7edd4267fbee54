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
        bool, typer.Option("--all", help="Show all rows of each table, and complete texts.")
    ] = False,
    output: OutputOption = Format.TEXT,
) -> None:
    """Show one order, its attempts, what people did, and what the shop was told.

    Text fills one screen: the newest attempts, interventions, incidents and outcomes. --all and -o json show all of
    them.

    Exits with 3 if there is no such order, and with 4 if the name is one order's id and another order's key: then add
    --id or --key.
    """
    by = naming(by_id=by_id, by_key=by_key)

    from breakwall.cli.orders.order_screen import write_order
    from breakwall.payments.ledger.audit import list_incidents, list_interventions
    from breakwall.payments.ledger.queries import get_order, list_attempts
    from breakwall.payments.outcomes.operator import deliveries_of

    with orders_database() as (database, _):
        order = get_order(database, name, by)
        attempts = list_attempts(database, order.id)
        interventions = list_interventions(database, order.id)
        incidents = list_incidents(database, order.id)
        deliveries = database.read(lambda connection: deliveries_of(connection, order.id))
    if output is Format.JSON:
        write_json(order_history_document(order, attempts, interventions, incidents, deliveries))
    else:
        write_order(order, attempts, interventions, incidents, deliveries, everything=everything)
