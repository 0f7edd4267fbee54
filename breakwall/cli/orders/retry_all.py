"""`breakwall orders retry --all`: every order that matches, in short transactions."""

import typer

from breakwall.cli.bulk import check_attended, summarised
from breakwall.cli.orders.progress import counting
from breakwall.cli.orders.retry_text import DISPUTED, Rules, preview_fields, retried_sentence, write_preview
from breakwall.payments.db.database import Database
from breakwall.payments.interventions import Author
from breakwall.payments.operator.bulk_retry import BulkRetry, Chunk, Selection
from breakwall.terminal.options import Format
from breakwall.terminal.output import field_lines, notes, say, write_result
from breakwall.terminal.words import count


def retry_all(
    database: Database,
    selection: Selection,
    limit: int | None,
    author: Author,
    rules: Rules,
    output: Format,
    *,
    dry_run: bool,
    ask: bool,
) -> None:
    """Retry all orders that match, at most ``limit`` of them; or only count them.

    Raises:
        RefusedError: a person has to be asked, and there is no terminal.
        typer.Abort: the person said no.
    """
    redrive = BulkRetry(database, looks_up=rules.profile.looks_up)
    if dry_run:
        write_preview(redrive.preview(selection), rules, output, limit)
        return
    if ask:
        check_attended(
            "--all changes many orders, and nobody can be asked: look with --dry-run, then say --yes"
        )
        preview = redrive.preview(selection)
        if not preview.eligible:
            _summarise([Chunk(0, 0, preview.to_be_resolved)], rules, output, finished=True)
            return
        say(*field_lines(preview_fields(preview, rules, limit)), console=notes())
        typer.confirm("Retry them?", abort=True, err=True)
    done: list[Chunk] = []
    with (
        summarised(lambda finished: _summarise(done, rules, output, finished=finished)),
        counting("retrying", "orders") as advance,
    ):
        for chunk in redrive.run(selection, author, limit=limit):
            done.append(chunk)
            advance(chunk.retried)


def _summarise(done: list[Chunk], rules: Rules, output: Format, *, finished: bool) -> None:
    retried = sum(chunk.retried for chunk in done)
    changed = sum(chunk.changed for chunk in done)
    to_be_resolved = sum(chunk.to_be_resolved for chunk in done)
    lines = []
    if retried:
        lines.append(retried_sentence(retried, rules))
    elif finished and not changed and not to_be_resolved:
        lines.append("No order matches; nothing was changed.")
    if changed:
        lines.append(f"{count(changed, 'order')} had changed in the meantime and stayed as they are.")
    if to_be_resolved:
        lines.append(f"{count(to_be_resolved, 'order')} stayed in review: {DISPUTED}.")
    if not finished:
        lines.append("Not all that match were reached: the same again does the rest.")
    document = {
        "sent_round": retried,
        "changed_meanwhile": changed,
        "to_be_resolved": to_be_resolved,
        "max_attempts": rules.policy.max_attempts,
        "finished": finished,
    }
    write_result(output, document, *lines)
