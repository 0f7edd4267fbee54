"""How far a long command has come, on stderr when that is a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def counting(doing: str, noun: str, total: int | None = None) -> Iterator[Callable[[int], None]]:
    """Show a bar and a count; what is yielded takes by how much the count grows."""
    from rich.progress import BarColumn, Progress, TextColumn

    from breakwall.terminal.output import notes

    console = notes()
    columns = (TextColumn(doing), BarColumn(), TextColumn("{task.completed:,.0f} " + noun))
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(doing, total=total)
        yield lambda more: progress.update(task, advance=more)
