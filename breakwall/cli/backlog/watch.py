"""Where `backlog --watch` shows one look after the other: in place on a terminal, else one line a look."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.live import Live
from rich.text import Text

from breakwall.cli.backlog.text import one_line, panel
from breakwall.monitor.backlog import Backlog
from breakwall.terminal.options import Format
from breakwall.terminal.output import data, plain, write_json, write_note


class Screen(Protocol):
    """Shows each look, and each that failed."""

    def show(self, seen: Backlog) -> None: ...

    def fail(self, error: str) -> None: ...


@contextmanager
def screen(output: Format) -> Iterator[Screen]:
    """What fits stdout and the wanted format."""
    console = data()
    if output is Format.JSON:
        yield _Lines(lambda seen: write_json(seen.as_document(), indent=None))
    elif not console.is_terminal:
        yield _Lines(lambda seen: console.print(one_line(seen), highlight=False))
    else:
        # Rich, not the terminal, breaks lines: it has to know how many there are, to draw over them.
        console.soft_wrap = False
        with Live(console=console, auto_refresh=False) as live:
            yield _Panel(live)


class _Lines:
    def __init__(self, write: Callable[[Backlog], None]) -> None:
        self.show = write

    def fail(self, error: str) -> None:
        write_note(f"Error: {error}")


class _Panel:
    """The last look stays below an error: that would tear the screen where it was written past it."""

    def __init__(self, live: Live) -> None:
        self._live = live
        self._last: Backlog | None = None

    def show(self, seen: Backlog) -> None:
        self._last = seen
        self._live.update(panel(seen), refresh=True)

    def fail(self, error: str) -> None:
        told = Text.from_markup(f"[bold red]Error:[/] {plain(error)}")
        self._live.update(panel(self._last, error=error) if self._last else told, refresh=True)
