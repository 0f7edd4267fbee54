"""The progress of a long command, on stderr where that is a terminal."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def counting(doing: str, noun: str, total: int | None = None) -> Iterator[Callable[[int], None]]:
    """Show a bar and a count. Yields a function that adds to the count."""
    from rich.progress import BarColumn, Progress, TextColumn

    from breakwall.terminal.output import notes

    console = notes()
    columns = (TextColumn(doing), BarColumn(), TextColumn("{task.completed:,.0f} " + noun))
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(doing, total=total)
        yield lambda more: progress.update(task, advance=more)
