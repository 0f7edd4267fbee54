"""The command `breakwall backlog` itself."""

from __future__ import annotations

import time
from contextlib import closing
from typing import TYPE_CHECKING, Annotated

import typer

from breakwall.cli.backlog.limits import Limits
from breakwall.errors import ExitCode
from breakwall.json_documents import backlog_document
from breakwall.terminal.options import Format, OutputOption, refuse_where
from breakwall.terminal.output import field_lines, write_note, write_result

if TYPE_CHECKING:
    from breakwall.cli.backlog.stat import Seconds
    from breakwall.monitor.backlog import Backlog, Monitor

INTERVAL = 2.0  # Seconds between two snapshots of --watch, by default.
STAT_INTERVAL = 1.0  # Seconds between two lines of --stat, by default.


def backlog(
    watch: Annotated[
        bool, typer.Option("--watch", "-w", help="Show a new snapshot again and again until Ctrl-C.")
    ] = False,
    stat: Annotated[
        bool, typer.Option("--stat", help="Write a line of numbers each second until Ctrl-C, as vmstat does.")
    ] = False,
    interval: Annotated[
        float | None,
        typer.Option(
            min=0.1,
            max=3600,
            help="Seconds between two snapshots of --watch or lines of --stat.",
            show_default=f"{INTERVAL:g}; {STAT_INTERVAL:g}",
        ),
    ] = None,
    fail_over: Annotated[
        str | None,
        typer.Option(
            metavar="depth=N,age=S",
            help="Exit with 1 if more than N orders wait, or the oldest due one has been due for more than S seconds.",
        ),
    ] = None,
    output: OutputOption = Format.TEXT,
) -> None:
    """Show how many orders wait, for how long, and when they will be finished.

    Above 10,000 waiting orders, the numbers are those that a worker counted about ten seconds ago at most, and the
    command says how old they are. If no worker counts, the command counts for a short time: numbers with "at least" are
    lower bounds then.

    With --watch and -o json, each snapshot is one line; so is each line of --stat. In --stat, `arrive/s` are orders
    that began to wait, and `finish/s` orders that had waited and are finished; a + is behind a lower bound.

    --fail-over is for a monitoring check: the exit code is 0 within the limits, and 1 above a limit or if the database
    does not answer.
    """
    from breakwall.cli.backlog.fields import backlog_fields
    from breakwall.cli.backlog.outcomes import outcome_fields
    from breakwall.cli.backlog.sentences import obstacles, verdict, warnings
    from breakwall.cli.backlog.stat import BEHIND, Seconds
    from breakwall.monitor.backlog import Monitor
    from breakwall.settings import load_settings
    from breakwall.wiring import waiting_outcomes

    refuse_where(
        (interval is not None and not (watch or stat), "--interval", "needs --watch or --stat"),
        (watch and stat, "--stat", "cannot be combined with --watch"),
    )
    limits = Limits() if fail_over is None else Limits.parse(fail_over)
    settings = load_settings()
    with closing(Monitor.from_settings(settings)) as monitor:
        if watch:
            _watch(monitor, interval or INTERVAL, limits, output)
        elif stat:
            seconds = Seconds(monitor, exact=limits.exact, longest_call=settings.payment_timeout + BEHIND)
            _stat(seconds, interval or STAT_INTERVAL, limits, output)
        else:
            snapshot = monitor.snapshot(exact=limits.exact)
            sentences = (verdict(snapshot), *obstacles(snapshot), *warnings(snapshot))
            told = (
                {} if output is Format.JSON else outcome_fields(*waiting_outcomes(settings, monitor.database))
            )
            lines = (*sentences, *field_lines({**backlog_fields(snapshot), **told}))
            write_result(output, backlog_document(snapshot), *lines)
            _check(snapshot, limits)


def _check(snapshot: Backlog, limits: Limits) -> None:
    over = limits.exceeded_by(snapshot)
    for sentence in over:
        write_note(f"Error: {sentence}.")
    if over:
        raise typer.Exit(ExitCode.FAILURE)


def _stat(seconds: Seconds, interval: float, limits: Limits, output: Format) -> None:
    from breakwall.cli.backlog.stat import StatLines
    from breakwall.payments.db.database import DatabaseUnavailableError, SchemaError

    lines = StatLines(output)
    while True:
        began = time.monotonic()
        try:
            second = seconds.take()
        except DatabaseUnavailableError as error:
            if limits != Limits() or isinstance(error, SchemaError):
                raise
            lines.fail(str(error))
        else:
            lines.show(second)
            _check(second.seen, limits)
        time.sleep(max(0.0, interval - (time.monotonic() - began)))


def _watch(monitor: Monitor, interval: float, limits: Limits, output: Format) -> None:
    from breakwall.cli.backlog.watch import screen
    from breakwall.payments.db.database import DatabaseUnavailableError, SchemaError

    with screen(output) as watched:
        while True:
            try:
                snapshot = monitor.snapshot(exact=limits.exact)
            except DatabaseUnavailableError as error:
                # Waiting does not create a missing table.
                if limits != Limits() or isinstance(error, SchemaError):
                    raise
                watched.fail(str(error))
            else:
                watched.show(snapshot)
                _check(snapshot, limits)
            time.sleep(interval)
