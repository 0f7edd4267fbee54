"""`breakwall orders cancel`."""

from collections.abc import Sequence

from breakwall.cli.orders.naming import IdOption, KeyOption, NameArgument, naming
from breakwall.cli.orders.order_fields import order_lines
from breakwall.cli.orders_database import orders_database
from breakwall.json_documents import order_document
from breakwall.payments.orders import StoredAttempt, StoredOrder
from breakwall.terminal.authors import ActorOption, ReasonOption, author
from breakwall.terminal.options import Format, OutputOption
from breakwall.terminal.output import write_result

# How it is known that nothing was charged, by the attempt's `settled_by`.
_EVIDENCE = {
    "look_up": "a look-up has found no charge",
    "person": "a person has stated that nothing was charged",
    None: "the payment service's answers say that nothing was charged",
}


def cancel(
    name: NameArgument,
    by_id: IdOption = False,
    by_key: KeyOption = False,
    reason: ReasonOption = None,
    actor: ActorOption = None,
    output: OutputOption = Format.TEXT,
) -> None:
    """Cancel an order that is not paid: at once if none of its attempts may have charged.

    Otherwise the request is recorded, and the order is cancelled when it is proven that nothing was charged. If a
    charge is found later, it becomes an incident: a charge to refund.

    Exits with 4 and changes nothing if the order's state does not allow it, or if the name is one order's id and
    another order's key: then add --id or --key.
    """
    by = naming(by_id=by_id, by_key=by_key)
    who = author(actor, reason)

    from breakwall.payments.ledger.queries import list_attempts
    from breakwall.payments.operator.retry_and_cancel import cancel_order

    with orders_database() as (database, _):
        order = cancel_order(database, name, who, by=by)
        attempts = list_attempts(database, order.id)
    write_result(output, order_document(order), _meaning(order, attempts), *order_lines(order))


def _meaning(order: StoredOrder, attempts: Sequence[StoredAttempt]) -> str:
    if order.status == "cancelled":
        return f"It is cancelled: {_why_uncharged(attempts)}."
    if order.status == "in_flight":
        return "The request is recorded: the order is being charged now, and the result decides."
    return "The request is recorded: the order may have been charged, and a worker finds out first."


def _why_uncharged(attempts: Sequence[StoredAttempt]) -> str:
    """How it is known that none of these attempts charged."""
    sent = [attempt for attempt in attempts if attempt.outcome is None or not attempt.outcome.is_unsent]
    if not sent:
        return "no attempt reached the payment service"
    found = {attempt.settled_by if attempt.settled_by in _EVIDENCE else None for attempt in sent}
    return ", and ".join(sentence for by, sentence in _EVIDENCE.items() if by in found)
