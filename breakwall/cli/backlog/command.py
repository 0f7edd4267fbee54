"""The command `breakwall backlog` itself, with the limits of its `--fail-over`."""

from __future__ import annotations

import math
import time
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from breakwall.errors import ExitCode
from breakwall.json_documents import backlog_document
from breakwall.terminal.options import Format, OutputOption, refuse_where
from breakwall.terminal.output import field_lines, write_note, write_result

if TYPE_CHECKING:
    from breakwall.monitor.backlog import Backlog, Monitor

MOST_ORDERS = 2_000_000_000  # More than a database of orders has.
INTERVAL = 2.0  # Seconds between two snapshots of --watch, by default.


def backlog(
    watch: Annotated[
        bool, typer.Option("--watch", "-w", help="Show a new snapshot again and again until Ctrl-C.")
    ] = False,
    interval: Annotated[
        float | None,
        typer.Option(
            min=0.1, max=3600, help="Seconds between two snapshots of --watch.", show_default=str(INTERVAL)
        ),
    ] = None,
    fail_over: Annotated[
        str | None,
        typer.Option(
            metavar="depth=N,age=S",
            help="Exit with 1 when more than N orders wait, or the oldest has waited for more than S seconds.",
        ),
    ] = None,
    output: OutputOption = Format.TEXT,
) -> None:
    """Show how many orders wait, for how long, and when they will be finished.

    Above 100,000 waiting orders, the numbers are those that a worker counted about ten seconds ago at most, and the
    command says how old they are. If no worker counts, the command counts for a short time: numbers with "at least" are
    lower bounds then.

    With --watch and -o json, each snapshot is one line. --fail-over is for a monitoring check: the exit code is 0
    within the limits, and 1 above a limit or if the database does not answer.
    """
    from breakwall.cli.backlog.fields import backlog_fields
    from breakwall.cli.backlog.sentences import obstacles, verdict, warnings
    from breakwall.monitor.backlog import Monitor
    from breakwall.settings import load_settings

    refuse_where((interval is not None and not watch, "--interval", "needs --watch"))
    limits = Limits() if fail_over is None else Limits.parse(fail_over)
    with closing(Monitor.from_settings(load_settings())) as monitor:
        if watch:
            _watch(monitor, interval or INTERVAL, limits, output)
        else:
            snapshot = monitor.snapshot(exact=limits.exact)
            sentences = (verdict(snapshot), *obstacles(snapshot), *warnings(snapshot))
            lines = (*sentences, *field_lines(backlog_fields(snapshot)))
            write_result(output, backlog_document(snapshot), *lines)
            _check(snapshot, limits)


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of --fail-over; None: no limit."""

    depth: float | None = None  # Waiting orders.
    age: float | None = None  # Seconds that the oldest has waited.

    @property
    def exact(self) -> int:
        """Up to how many orders the count has to be exact."""
        return min(int(self.depth or 0), MOST_ORDERS)

    @classmethod
    def parse(cls, text: str) -> Limits:
        """Read ``depth=N,age=S``, or one of the two. Raises BadParameter."""
        limits: dict[str, float] = {}
        for part in text.split(","):
            name, _, value = (piece.strip() for piece in part.partition("="))
            if name not in {"depth", "age"} or name in limits:
                raise _bad("should be depth=N (orders), age=S (seconds) or depth=N,age=S")
            limits[name] = _number(name, value)
        return cls(**limits)

    def exceeded_by(self, backlog: Backlog) -> list[str]:
        """A sentence for each limit that the backlog exceeds."""
        over = []
        if self.depth is not None and backlog.queued > self.depth:
            waiting = "1 order waits" if backlog.queued == 1 else f"{backlog.queued_text} orders wait"
            over.append(f"{waiting}; the limit is {self.depth:,.12g}")
        if self.age is not None and backlog.oldest_age_seconds > self.age:
            waited = backlog.oldest_age_seconds
            over.append(f"the oldest order has waited {waited:,.0f} s; the limit is {self.age:,.12g} s")
        return over


def _number(name: str, value: str) -> float:
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not (math.isfinite(number) and number >= 0):
        raise _bad(f"{name} should be a number of at least 0")
    return number


def _bad(expected: str) -> typer.BadParameter:
    return typer.BadParameter(expected, param_hint="--fail-over")


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
