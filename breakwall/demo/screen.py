"""Where the demo is shown: its messages and, below them on a terminal, a panel with the latest snapshot."""

import math
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise

from rich.console import Console
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from breakwall.breaker import CircuitState
from breakwall.demo.messages import PARTS, DemoMessage
from breakwall.demo.snapshot import DemoSnapshot, ServiceState
from breakwall.terminal.words import WIDEST, duration, fill

CTRL_C = 3  # Columns left free beside the panel: the terminal echoes `^C` there, and the line must not wrap.
INDENT = 8  # Columns of the time before a sentence.
LABELS = 16  # Columns of the panel's names.

BLOCKS = "▁▂▃▄▅▆▇█"
ASCII_BLOCKS = "_.:-=+*#"

_SERVICE = {
    ServiceState.STARTING: "[yellow]starting[/]",
    ServiceState.UP: "[green]up[/]",
    ServiceState.FAILING: "[bold red]charges cards, then breaks the connection[/]",
    ServiceState.DEAD: "[bold red]dead[/]",
}
_CIRCUIT = {
    CircuitState.CLOSED: "[green]closed[/]: charges go through",
    CircuitState.HALF_OPEN: "[yellow]half open[/]: a few probes go through",
    CircuitState.OPEN: "[bold red]open[/]: no calls; next probe in {}",
}


class DemoScreen:
    """Prints the messages. With ``live``, it also draws the panel."""

    def __init__(self, console: Console, clock: Callable[[], float], live: Live | None = None) -> None:
        self._console = console
        self._clock = clock
        self._live = live
        self._queue: list[int] = []  # How many orders waited, at each snapshot.

    def part(self, number: int) -> None:
        self._console.print(Text(f"\nPart {number}: {PARTS[number - 1]}", "bold"), highlight=False)

    def write(self, message: DemoMessage) -> None:
        self._paragraph(f"{self._clock():5.1f}s  ", "cyan", message.what)
        for name, sentence in (("for the customer", message.customer), ("next", message.next)):
            if sentence:
                self._paragraph(f"{'':{INDENT}}{name}: ", "dim", sentence)

    def show(self, now: DemoSnapshot) -> None:
        if self._live is None:
            return
        if now.accepted:
            self._queue.append(now.waiting)
        ascii_only = not self._console.encoding.lower().startswith("utf")
        width = min(self._console.width - CTRL_C, WIDEST)
        self._live.update(panel(now, self._queue, width=width, ascii_only=ascii_only), refresh=True)

    def _paragraph(self, head: str, style: str, sentence: str) -> None:
        """Print the styled head and the sentence: on a terminal as a block, elsewhere on one line."""
        text = head + sentence
        if self._console.is_terminal:
            text = fill(text, self._console.width, indent=INDENT)
        paragraph = Text(text)
        paragraph.stylize(style, 0, len(head))
        self._console.print(paragraph, highlight=False)


@contextmanager
def open_screen(console: Console, clock: Callable[[], float]) -> Iterator[DemoScreen]:
    """The screen for an output, with a panel only on an interactive terminal, which is restored at the end."""
    interactive = console.is_terminal and not console.is_dumb_terminal
    if not interactive or os.environ.get("CI") or os.environ.get("NO_COLOR"):
        yield DemoScreen(console, clock)
        return
    # Without the refresh thread: only the thread that takes the snapshots writes to the terminal.
    with Live(console=console, auto_refresh=False, transient=True) as live:
        yield DemoScreen(console, clock, live)


def panel(now: DemoSnapshot, queue: Sequence[int], *, width: int, ascii_only: bool) -> Panel:
    """Draw a snapshot, and below it the length of the queue over time."""
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(width=LABELS, style="dim")
    table.add_column()
    stuck = f", {now.stuck:,} stuck" if now.stuck else ""
    waiting = f"[yellow]{now.waiting:,}, the longest for {duration(now.oldest)}[/]" if now.waiting else "none"
    table.add_row("payment service", _SERVICE[now.service])
    table.add_row("circuit breaker", _CIRCUIT[now.circuit].format(duration(now.retry_after)))
    table.add_row("worker", "[green]up[/]" if now.worker_alive else "[bold red]dead[/]")
    table.add_row("orders", f"{now.accepted:,} accepted: {now.paid:,} paid, {now.declined:,} declined{stuck}")
    table.add_row("waiting", waiting)
    blocks = ASCII_BLOCKS if ascii_only else BLOCKS
    table.add_row("queue over time", sparkline(queue, max(8, width - LABELS - 8), blocks))
    return Panel(table, title=f"{now.at:.0f} s", title_align="right", width=width, border_style="dim")


def sparkline(numbers: Sequence[int], width: int, blocks: str = BLOCKS) -> str:
    """The numbers in at most ``width`` characters. Each shows the highest number of its part; only 0 is the lowest."""
    wanted = min(width, len(numbers))
    if not any(numbers):
        return blocks[0] * wanted
    edges = [index * len(numbers) // wanted for index in range(wanted + 1)]
    columns = [max(numbers[start:end]) for start, end in pairwise(edges)]
    top = max(columns)
    return "".join(blocks[math.ceil(number / top * (len(blocks) - 1))] for number in columns)
