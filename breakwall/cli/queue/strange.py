"""`breakwall queue strange`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from breakwall.cli.orders_database import orders_database
from breakwall.terminal.options import Format, OutputOption
from breakwall.terminal.output import notes, plain, say, write_result
from breakwall.terminal.words import count, moment

if TYPE_CHECKING:
    from breakwall.payments.fleet.strange_messages import StoredStrangeMessage

SHOWN = 300  # Characters of a body, and of its headers, that are shown as text.


def strange(
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=1000, help="How many to show.")] = 20,
    clear: Annotated[
        bool, typer.Option("--clear", help="Delete all of them, except those that arrive meanwhile.")
    ] = False,
    output: OutputOption = Format.TEXT,
) -> None:
    """Show the strange messages of the queue, which Breakwall did not write, newest first.

    A worker sets such a message aside and continues with the next one; no order is lost. The newest 1,000 are kept,
    each with the first 16 KB of its body. Text shows 300 characters of a body, -o json shows all.
    """
    from breakwall.payments.fleet import strange_messages

    with orders_database() as (database, _):
        found = database.read(lambda connection: strange_messages.newest(connection, limit=limit))
        cleared = strange_messages.clear(database, found[0].id) if clear and found else 0
    document = {"messages": [asdict(message) for message in found], "cleared": cleared}
    write_result(output, document, *(line for message in found for line in _lines(message)))
    if output is Format.TEXT and not found:
        say("There are no strange messages.", console=notes())
    if output is Format.TEXT and clear:
        say(f"{count(cleared, 'message')} deleted.", console=notes())


def _lines(message: StoredStrangeMessage) -> Iterator[str]:
    yield plain(f"{moment(message.at)}  {count(message.size, 'byte')}: {message.reason}")
    for part in filter(None, (message.headers, message.body)):
        yield f"    {plain(_shortened(part))}"


def _shortened(text: str) -> str:
    if len(text) <= SHOWN:
        return text
    return f"{text[:SHOWN]}… (the first {SHOWN} of {len(text):,} characters kept; -o json shows all)"
