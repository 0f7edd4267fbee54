"""`breakwall orders cancel`."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from breakwall.cli.orders.find import IdOption, KeyOption, NameArgument, naming
from breakwall.cli.orders.known_outcome import known_of
from breakwall.cli.orders.show import write_order
from breakwall.terminal.authors import ActorOption, ReasonOption, author
from breakwall.terminal.options import Format, OutputOption

if TYPE_CHECKING:
    from breakwall.payments.orders import StoredAttempt, StoredOrder


def cancel(
    name: NameArgument,
    by_id: IdOption = False,
    by_key: KeyOption = False,
    reason: ReasonOption = None,
    actor: ActorOption = None,
    output: OutputOption = Format.TEXT,
) -> None:
    """Cancel an order that is not paid: at once where no attempt may have charged.

    Otherwise the wish is noted: it is cancelled as soon as it is proven that nothing was charged, and a
    charge that turns up is reported as an incident to refund. Exits with 4, and changes nothing, when the
    order's state does not allow it, or when the name is one order's id and another one's key: then --id or
    --key decides.
    """
    by = naming(by_id=by_id, by_key=by_key)
    who = author(actor, reason)

    from breakwall.payments.ledger.queries import list_attempts
    from breakwall.payments.operator.retry_and_cancel import Interventions
    from breakwall.settings import load_settings
    from breakwall.wiring import open_database

    with closing(open_database(load_settings())) as database:
        order = Interventions(database).cancel(name, who, by=by)
        attempts = list_attempts(database, order.id)
    _tell(order, _meaning(order, attempts), output)


def _meaning(order: StoredOrder, attempts: list[StoredAttempt]) -> str:
    if order.status == "cancelled":
        return f"It is cancelled: {known_of(attempts)}."
    if order.status == "in_flight":
        return "The wish is noted: it is being charged right now, and what comes of that decides."
    return "The wish is noted: it may have been charged, and a worker finds out first."


def _tell(order: StoredOrder, sentence: str, output: Format) -> None:
    from breakwall.cli.orders.documents import order_document
    from breakwall.terminal.output import data, write_json

    if output is Format.JSON:
        write_json(order_document(order))
        return
    data().print(sentence, highlight=False)
    write_order(order)
