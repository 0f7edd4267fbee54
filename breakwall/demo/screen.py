"""Where the demo is shown: a live view on a terminal, plain lines elsewhere. The texts are the same."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.live import Live
from rich.text import Text

from breakwall.demo.messages import DemoMessage
from breakwall.demo.panel import panel
from breakwall.demo.snapshot import DemoSnapshot
from breakwall.terminal.words import WIDEST, fill

CTRL_C = 3  # Columns left free beside the panel: the terminal echoes `^C` there, and the line must not wrap.

INDENT = 8  # Columns of the time before a sentence.


@contextmanager
def open_screen(console: Console, clock: Callable[[], float]) -> Iterator[DemoScreen]:
    """The screen for an output: live only on an interactive terminal, which is restored at the end."""
    capable = console.is_terminal and not console.is_dumb_terminal
    if not capable or os.environ.get("CI") or os.environ.get("NO_COLOR"):
        yield LineScreen(console, clock)
        return
    # Drawn by the thread that looks, when there is something new: no other one writes to the terminal.
    with Live(console=console, auto_refresh=False, transient=True) as live:
        yield LiveScreen(console, clock, live)


class LineScreen:
    """One line for each sentence, with its time."""

    def __init__(self, console: Console, clock: Callable[[], float]) -> None:
        self._console = console
        self._clock = clock

    def part(self, number: int, title: str) -> None:
        self._line(f"--- Part {number}: {title} ---", self._clock())

    def write(self, message: DemoMessage) -> None:
        at = self._clock()
        self._line(message.what, at)
        for name, sentence in _asides(message):
            self._line(f"  {name}: {sentence}", at)

    def show(self, now: DemoSnapshot) -> None:
        """Nothing: numbers that change all the time need a live screen."""

    def _line(self, text: str, at: float) -> None:
        line = f"[{at:5.1f}s] {text}"
        if self._console.is_terminal:
            line = fill(line, self._console.width, indent=INDENT + 1)
        self._console.print(line, markup=False, highlight=False)


class LiveScreen:
    """The messages scroll; a panel below them shows the latest snapshot."""

    def __init__(self, console: Console, clock: Callable[[], float], live: Live) -> None:
        self._console = console
        self._clock = clock
        self._live = live
        self._history: list[tuple[float, int]] = []

    def part(self, number: int, title: str) -> None:
        self._console.print(Text(f"\nPart {number}: {title}", "bold"), highlight=False)

    def write(self, message: DemoMessage) -> None:
        self._paragraph(f"{self._clock():5.1f}s  ", "cyan", message.what)
        for name, sentence in _asides(message):
            self._paragraph(f"{'':{INDENT}}{name}: ", "dim", sentence)

    def show(self, now: DemoSnapshot) -> None:
        if now.accepted:
            self._history.append((now.at, now.waiting))
        ascii_only = not self._console.encoding.lower().startswith("utf")
        width = min(self._console.width - CTRL_C, WIDEST)
        self._live.update(panel(now, self._history, width=width, ascii_only=ascii_only), refresh=True)

    def _paragraph(self, head: str, style: str, sentence: str) -> None:
        """Print the styled head with the sentence beside and below it."""
        text = Text(fill(head + sentence, min(self._console.width, WIDEST), indent=INDENT))
        text.stylize(style, 0, len(head))
        self._console.print(text, highlight=False)


DemoScreen = LineScreen | LiveScreen


def _asides(message: DemoMessage) -> list[tuple[str, str]]:
    named = (("for the customer", message.customer), ("next", message.next))
    return [(name, sentence) for name, sentence in named if sentence]
