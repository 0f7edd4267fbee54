"""`breakwall orders retry` of orders that are named, each on its own."""

import typer

from breakwall.cli.orders.order_text import order_lines
from breakwall.cli.orders.outlook import outlook
from breakwall.cli.orders.retry_text import Rules, retried_sentence, write_preview
from breakwall.documents import order_document
from breakwall.errors import ExitCode
from breakwall.payments.db.clock import DatabaseClock
from breakwall.payments.db.database import Database
from breakwall.payments.decisions import next_step
from breakwall.payments.interventions import Author
from breakwall.payments.ledger.progress import progress_of
from breakwall.payments.ledger.queries import Naming, get_order
from breakwall.payments.operator.bulk_retry import BulkRetry
from breakwall.payments.operator.locking import RefusedError
from breakwall.payments.operator.retry_and_cancel import retry_order
from breakwall.payments.orders import StoredOrder
from breakwall.terminal.options import Format
from breakwall.terminal.output import say, write_json, write_note, write_result


def retry_named(
    database: Database,
    names: list[str],
    by: Naming,
    author: Author,
    rules: Rules,
    output: Format,
    *,
    evidence: str | None,
    dry_run: bool,
) -> None:
    """Retry the orders with these names.

    Args:
        evidence: how it is known that nothing was charged for the one order, which gets a new key.

    Raises:
        OrderNotFoundError, AmbiguousNameError: a name is not one order's; nothing was changed.
    """
    found = {order.id: order for order in (get_order(database, name, by) for name in names)}
    if dry_run:
        preview = BulkRetry(database, looks_up=rules.profile.looks_up).preview_named(list(found))
        write_preview(preview, rules, output)
    elif len(found) > 1:
        _retry_several(database, list(found), author, rules, output)
    else:
        (before,) = found.values()
        _retry_one(database, before, author, rules, output, evidence)


def _retry_one(
    database: Database,
    before: StoredOrder,
    author: Author,
    rules: Rules,
    output: Format,
    evidence: str | None,
) -> None:
    order = retry_order(
        database, before.id, author, by=Naming.ID, looks_up=rules.profile.looks_up, uncharged=evidence
    )
    if output is Format.JSON:
        write_json(order_document(order))
        return
    progress = database.read(
        lambda connection: progress_of(connection, DatabaseClock(), order.id, lease=rules.lease)
    )
    step = next_step(progress, rules.profile, rules.policy)
    rotated, vouched_for = order.charge_key != before.charge_key, evidence is not None
    say(
        f"It is due now, with {rules.budget}; its retry_count goes on counting.",
        outlook(step, progress, rotated=rotated, vouched_for=vouched_for),
        *order_lines(order),
    )


def _retry_several(
    database: Database, order_ids: list[str], author: Author, rules: Rules, output: Format
) -> None:
    retried: list[StoredOrder] = []
    refused: dict[str, str] = {}
    try:
        for order_id in order_ids:
            try:
                order = retry_order(database, order_id, author, by=Naming.ID, looks_up=rules.profile.looks_up)
                retried.append(order)
            except RefusedError as error:
                refused[order_id] = str(error)
    finally:
        _write_several(retried, refused, rules, output)
    if refused:
        raise typer.Exit(ExitCode.REFUSED)


def _write_several(retried: list[StoredOrder], refused: dict[str, str], rules: Rules, output: Format) -> None:
    if output is Format.TEXT:
        for problem in refused.values():
            write_note(f"Error: {problem}")
    document = {
        "sent_round": [order_document(order) for order in retried],
        "refused": [{"id": order_id, "problem": problem} for order_id, problem in refused.items()],
    }
    sentence = retried_sentence(len(retried), rules) if retried else "No order was retried."
    write_result(output, document, sentence)
