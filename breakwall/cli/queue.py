"""`breakwall queue`: what is in the queue beside orders."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from breakwall.terminal.options import Format, OutputOption

if TYPE_CHECKING:
    from breakwall.payments.fleet.strange_messages import StoredStrange

queue_app = typer.Typer(no_args_is_help=True, help="The queue that the workers drain.")


@queue_app.callback()
def queue() -> None:
    """The queue that the workers drain."""


@queue_app.command("strange")
def strange(
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=1000, help="How many to show.")] = 20,
    clear: Annotated[bool, typer.Option("--clear", help="Forget all that are shown or older.")] = False,
    output: OutputOption = Format.TEXT,
) -> None:
    """Show the messages that workers found in the queue and that are none of ours, the newest first.

    They were set aside, and the next one was worked on. The newest 1,000 are kept, each with the first 16 KB of its
    body; the text shows 300 characters of them, -o json all. No order is lost by them.
    """
    found, cleared = _find(limit, clear=clear)
    if output is Format.JSON:
        from dataclasses import asdict

        from breakwall.terminal.output import write_json

        write_json({"messages": [asdict(message) for message in found], "cleared": cleared})
        return
    _show(found, cleared if clear else None)


def _find(limit: int, *, clear: bool) -> tuple[list[StoredStrange], int]:
    from contextlib import closing

    from breakwall.payments.fleet.strange_messages import check_kept, newest
    from breakwall.payments.fleet.strange_messages import clear as forget
    from breakwall.settings import load_settings
    from breakwall.wiring import open_database

    with closing(open_database(load_settings())) as database:
        database.read(check_kept)
        found = database.read(lambda connection: newest(connection, limit=limit))
        cleared = forget(database, found[0].id) if clear and found else 0
    return found, cleared


SHOWN = 300
"""Characters of a body, and of its headers, that are shown to people."""


def _shortened(text: str) -> str:
    if len(text) <= SHOWN:
        return text
    return f"{text[:SHOWN]}… (the first {SHOWN} of {len(text):,} characters kept; -o json shows all)"


def _show(found: list[StoredStrange], cleared: int | None) -> None:
    from breakwall.terminal.output import data, notes, plain
    from breakwall.terminal.words import count, moment

    for message in found:
        head = f"{moment(message.at)}  {count(message.size, 'byte')}: {message.reason}"
        data().print(plain(head), highlight=False)
        for part in filter(None, (message.headers, message.body)):
            data().print(f"    {plain(_shortened(part))}", highlight=False)
    if not found:
        notes().print("No strange messages.", highlight=False)
    if cleared is not None:
        notes().print(f"{count(cleared, 'message')} forgotten.", highlight=False)
