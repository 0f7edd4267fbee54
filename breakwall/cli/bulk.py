"""What commands on many orders share: a reason, a question, progress, and a summary even if they are stopped."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from breakwall.terminal.options import require


def check_bulk_reason(reason: str | None) -> None:
    """Raise `MissingOptionError` unless a reason is given."""
    require((reason is not None, "--reason", "a bulk action needs it; it is recorded"))


def check_attended(effect: str, advice: str = "check with --dry-run, then add --yes") -> None:
    """Raise `RefusedError` unless stdin is a terminal, where a person can be asked."""
    from breakwall.payments.operator.locking import RefusedError

    if not sys.stdin.isatty():
        raise RefusedError(f"{effect}, and there is no terminal to ask on: {advice}")


@contextmanager
def summarised(summarise: Callable[[bool], None]) -> Iterator[None]:
    """Call ``summarise(True)`` at the end, or ``summarise(False)`` before an error that stops the work is raised."""
    from breakwall.payments.db.database import DatabaseUnavailableError

    try:
        yield
    except (DatabaseUnavailableError, KeyboardInterrupt):
        summarise(False)
        raise
    summarise(True)


@contextmanager
def counting(doing: str, noun: str) -> Iterator[Callable[[int], None]]:
    """Show a bar and a count on stderr if that is a terminal. Yields a function that adds to the count."""
    from rich.progress import BarColumn, Progress, TextColumn

    from breakwall.terminal.output import notes

    console = notes()
    columns = (TextColumn(doing), BarColumn(), TextColumn("{task.completed:,.0f} " + noun))
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(doing, total=None)
        yield lambda more: progress.update(task, advance=more)
