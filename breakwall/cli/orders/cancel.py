"""`breakwall orders cancel`."""

from collections.abc import Sequence

from breakwall.cli.orders.naming import IdOption, KeyOption, NameArgument, naming
from breakwall.cli.orders.order_text import order_lines
from breakwall.cli.orders_database import orders_database
from breakwall.documents import order_document
from breakwall.payments.orders import StoredAttempt, StoredOrder
from breakwall.terminal.authors import ActorOption, ReasonOption, author
from breakwall.terminal.options import Format, OutputOption
from breakwall.terminal.output import write_result

# How it is known that nothing was charged, by what has resolved an attempt.
_EVIDENCE = {
    "look_up": "a look-up has found no charge",
    "person": "a person has said that nothing was charged",
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
    """Cancel an order that is not paid: at once where no attempt may have charged.

    Otherwise the request is noted: the order is cancelled as soon as it is proven that nothing was charged. A
    charge that turns up is reported as an incident to refund. Exits with 4, and changes nothing, when the
    order's state does not allow it, or when the name is one order's id and another one's key: then --id or
    --key decides.
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
        return "The request is noted: it is being charged right now, and the result decides."
    return "The request is noted: it may have been charged, and a worker finds out first."


def _why_uncharged(attempts: Sequence[StoredAttempt]) -> str:
    """How it is known that none of these attempts charged, such as "no attempt of it was sent"."""
    sent = [attempt for attempt in attempts if attempt.outcome is None or not attempt.outcome.is_unsent]
    if not sent:
        return "no attempt of it was sent"
    found = {attempt.settled_by if attempt.settled_by in _EVIDENCE else None for attempt in sent}
    return ", and ".join(sentence for by, sentence in _EVIDENCE.items() if by in found)
