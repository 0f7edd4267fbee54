"""The command `breakwall backlog` itself."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer

from breakwall.cli.backlog.fail_over import Limits
from breakwall.errors import ExitCode
from breakwall.json_documents import backlog_document
from breakwall.terminal.options import Format, OutputOption
from breakwall.terminal.output import field_lines, write_note, write_result

if TYPE_CHECKING:
    from breakwall.monitor.backlog import Backlog, Monitor


def backlog(
    watch: Annotated[
        bool, typer.Option("--watch", "-w", help="Show a new snapshot again and again until Ctrl-C.")
    ] = False,
    interval: Annotated[
        float, typer.Option(min=0.1, max=3600, help="Seconds between two snapshots of --watch.")
    ] = 2.0,
    fail_over: Annotated[
        str | None,
        typer.Option(
            metavar="depth=N,age=S",
            help="Exit with 1 when more than N orders wait, or the oldest waits for more than S seconds.",
        ),
    ] = None,
    output: OutputOption = Format.TEXT,
) -> None:
    """Show how many orders wait, for how long, and when they will be done.

    With --watch and JSON, each snapshot is one line. With --fail-over the exit code is for a monitoring check:
    0 within the limits, 1 over them or when the database does not answer.
    """
    from breakwall.cli.backlog.fields import backlog_fields
    from breakwall.cli.backlog.sentences import verdict, warnings
    from breakwall.monitor.backlog import Monitor
    from breakwall.settings import load_settings

    limits = Limits() if fail_over is None else Limits.parse(fail_over)
    with Monitor.from_settings(load_settings()) as monitor:
        if watch:
            _watch(monitor, interval, limits, output)
        else:
            snapshot = monitor.snapshot()
            lines = (verdict(snapshot), *warnings(snapshot), *field_lines(backlog_fields(snapshot)))
            write_result(output, backlog_document(snapshot), *lines)
            _check(snapshot, limits)


def _check(snapshot: Backlog, limits: Limits) -> None:
    over = limits.exceeded_by(snapshot)
    for sentence in over:
        write_note(f"Error: {sentence}.")
    if over:
        raise typer.Exit(ExitCode.FAILURE)


def _watch(monitor: Monitor, interval: float, limits: Limits, output: Format) -> None:
    from breakwall.cli.backlog.watch import screen
    from breakwall.payments.db.database import DatabaseUnavailableError, SchemaError

    with screen(output) as watched:
        while True:
            try:
                snapshot = monitor.snapshot()
            except DatabaseUnavailableError as error:
                # A missing table does not appear by waiting.
                if limits != Limits() or isinstance(error, SchemaError):
                    raise
                watched.fail(str(error))
            else:
                watched.show(snapshot)
                _check(snapshot, limits)
            time.sleep(interval)
