"""Shows the snapshots of `backlog --watch`: in place on a terminal, else one line for each."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from rich.console import Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from breakwall.cli.backlog.fields import backlog_fields, one_line
from breakwall.cli.backlog.sentences import screen_lines
from breakwall.json_documents import backlog_document
from breakwall.monitor.backlog import Backlog
from breakwall.terminal.options import Format
from breakwall.terminal.output import data, plain, say, write_json, write_note
from breakwall.terminal.words import moment


class _Lines:
    def __init__(self, write: Callable[[Backlog], None]) -> None:
        self.show = write

    def fail(self, error: str) -> None:
        write_note(f"Error: {error}")


class _Panel:
    """Draws an error above the last snapshot: written to stderr, it would break the screen."""

    def __init__(self, live: Live) -> None:
        self._live = live
        self._last: Backlog | None = None

    def show(self, snapshot: Backlog) -> None:
        self._last = snapshot
        self._live.update(panel(snapshot), refresh=True)

    def fail(self, error: str) -> None:
        drawn = panel(self._last, error=error) if self._last else Text.from_markup(_error_line(error))
        self._live.update(drawn, refresh=True)


@contextmanager
def screen(output: Format) -> Iterator[_Lines | _Panel]:
    """The screen that fits stdout and the format: it shows each snapshot, and why one failed."""
    console = data()
    if output is Format.JSON:
        yield _Lines(lambda snapshot: write_json(backlog_document(snapshot), indent=None))
    elif not console.is_terminal:
        yield _Lines(lambda snapshot: say(one_line(snapshot)))
    else:
        # Rich breaks the lines itself: it must know how many of them to overwrite.
        console.soft_wrap = False
        with Live(console=console, auto_refresh=False) as live:
            yield _Panel(live)


def panel(snapshot: Backlog, *, error: str | None = None) -> RenderableType:
    """A snapshot with no line wider than the screen; ``error`` is why there is no newer one."""
    lines = [_error_line(error)] if error else screen_lines(snapshot)
    taken = f"as of {moment(snapshot.at)}" if error else moment(snapshot.at)
    return Group(
        *map(Text.from_markup, lines),
        _table(backlog_fields(snapshot, brief=True)),
        Text(f"{taken}; Ctrl-C ends", style="dim"),
    )


def _table(fields: Mapping[str, str]) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True, min_width=max(map(len, fields)))
    table.add_column()
    for name, value in fields.items():
        cell = Text.from_markup(value, overflow="ellipsis")
        cell.no_wrap = True  # Not for the column: Rich would then shorten the names.
        table.add_row(name, cell)
    return table


def _error_line(error: str) -> str:
    return f"[bold red]Error:[/] {plain(error)}"
