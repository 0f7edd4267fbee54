"""`breakwall orders import`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING

import typer

from breakwall.cli.orders.input_file import (
    STDIN,
    AmountsOption,
    ColumnsOption,
    EncodingOption,
    FileArgument,
    columns_named,
    encoding_named,
    opened,
)
from breakwall.cli.orders_database import orders_database
from breakwall.errors import ExitCode
from breakwall.files.amounts import Units
from breakwall.terminal.options import Format, OutputOption
from breakwall.terminal.output import notes, plain, write_json_note, write_result
from breakwall.terminal.words import count

if TYPE_CHECKING:
    from breakwall.producers.importing import ImportSummary, OrderImporter
    from breakwall.producers.order_files import OrderFile


def import_orders(
    file: FileArgument = STDIN,
    columns: ColumnsOption = "",
    amounts: AmountsOption = Units.MINOR,
    encoding: EncodingOption = "",
    output: OutputOption = Format.TEXT,
) -> None:
    """Queue the orders of a file: CSV with a header, a JSON array, or one JSON object per line:

    {"user_id": "u1", "amount": 10000, "currency": "KRW", "idempotency_key": "cart-17"}

    A bad line is reported with its number; all other lines are accepted. To import the same file again changes
    nothing. The file may be compressed with gzip.

    Exits with 1 if a line was bad, and with 2 if the file cannot be read.
    """
    from breakwall.payments.orders import FIELDS
    from breakwall.producers.order_files import OrderFile

    names, decoding = columns_named(columns, FIELDS), encoding_named(encoding)

    from breakwall.producers.importing import OrderImporter
    from breakwall.producers.producer import OrderProducer

    with (
        opened(file, "orders as CSV or JSON") as (stream, size),
        orders_database() as (database, settings),
        OrderProducer.from_settings(settings) as producer,
    ):
        importer = OrderImporter(producer, database, _reporter(output))
        orders = OrderFile(stream, columns=names, units=amounts, encoding=decoding)
        try:
            _run(importer, orders, size)
        except Exception:
            if importer.summary.lines:
                _summarise(importer.summary, output, finished=False)
            raise
    _summarise(importer.summary, output, finished=True)
    if importer.summary.bad:
        raise typer.Exit(ExitCode.FAILURE)


def _run(importer: OrderImporter, orders: OrderFile, size: int | None) -> None:
    """Import, with a progress bar on stderr if that is a terminal."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    console = notes()
    lines = TextColumn("{task.fields[lines]:,} lines")
    columns = (TextColumn("importing"), BarColumn(), lines, TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("importing", total=size, lines=0)
        for _ in importer.run(orders):
            progress.update(task, completed=orders.position, lines=importer.summary.lines)


def _reporter(output: Format) -> Callable[[int, str], None]:
    if output is Format.JSON:
        return lambda number, problem: write_json_note({"line": number, "problem": problem})
    console = notes()
    return lambda number, problem: console.print(f"line {number}: {plain(problem)}", highlight=False)


def _summarise(summary: ImportSummary, output: Format, *, finished: bool) -> None:
    sentence = (
        f"{count(summary.accepted, 'order')} accepted, {summary.already_known:,} already known, "
        f"{count(summary.bad, 'bad line')}."
    )
    if not finished:
        sentence += " The import stopped before the end of the file. Run it again: known orders are skipped."
    write_result(output, {**asdict(summary), "finished": finished}, sentence)
