"""Where the story is told: a live view on a terminal, plain lines elsewhere. The words are the same."""

from __future__ import annotations

import os
from collections.abc import Callable
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console
from rich.live import Live
from rich.text import Text

from breakwall.demo.messages import Event
from breakwall.demo.panel import panel
from breakwall.demo.snapshot import Scene
from breakwall.terminal.paragraphs import WIDEST, fill

CTRL_C = 3
"""Columns left free beside the panel: the terminal echoes ``^C`` there, and the line must not wrap."""

INDENT = 8
"""Columns of the time before a sentence."""


class Stage(Protocol):
    """Tells the story; use it as a context manager, so that the terminal is left as it was."""

    def act(self, number: int, title: str) -> None:
        """A new part begins."""
        ...

    def tell(self, event: Event) -> None:
        """Something happened."""
        ...

    def show(self, scene: Scene) -> None:
        """This is how things are now."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def set_stage(console: Console, clock: Callable[[], float]) -> Stage:
    """The stage that suits an output: live only where somebody watches a terminal that can do it."""
    watched = console.is_terminal and not console.is_dumb_terminal
    if watched and not os.environ.get("CI") and not os.environ.get("NO_COLOR"):
        return LiveStage(console, clock)
    return LineStage(console, clock)


class LineStage:
    """One line for each sentence of the story, with its time."""

    def __init__(self, console: Console, clock: Callable[[], float]) -> None:
        self._console = console
        self._clock = clock

    def act(self, number: int, title: str) -> None:
        self._line(f"--- Act {number}: {title} ---", self._clock())

    def tell(self, event: Event) -> None:
        at = self._clock()
        self._line(event.what, at)
        for name, sentence in _asides(event):
            self._line(f"  {name}: {sentence}", at)

    def show(self, scene: Scene) -> None:
        """Lines are for what happens; numbers that change all the time are for a screen."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return

    def _line(self, text: str, at: float) -> None:
        line = f"[{at:5.1f}s] {text}"
        if self._console.is_terminal:
            line = fill(line, self._console.width, indent=INDENT + 1)
        self._console.print(line, markup=False, highlight=False)


class LiveStage:
    """The story scrolls by, and a panel below it shows how things are."""

    def __init__(self, console: Console, clock: Callable[[], float]) -> None:
        self._console = console
        self._clock = clock
        self._history: list[tuple[float, int]] = []
        # Drawn when there is something new, by the thread that looks: no other one writes to the terminal.
        self._live = Live(console=console, auto_refresh=False, transient=True)

    def act(self, number: int, title: str) -> None:
        self._print(Text(f"\nAct {number}: {title}", "bold"))

    def tell(self, event: Event) -> None:
        self._print(self._paragraph(f"{self._clock():5.1f}s  ", "cyan", event.what))
        for name, sentence in _asides(event):
            self._print(self._paragraph(f"{'':{INDENT}}{name}: ", "dim", sentence))

    def show(self, scene: Scene) -> None:
        if scene.accepted:
            self._history.append((scene.at, scene.waiting))
        ascii_only = not self._console.encoding.lower().startswith("utf")
        width = min(self._console.width - CTRL_C, WIDEST)
        drawn = panel(scene, self._history, width=width, ascii_only=ascii_only)
        self._live.update(drawn, refresh=True)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    @property
    def _width(self) -> int:
        return min(self._console.width, WIDEST)

    def _paragraph(self, head: str, style: str, sentence: str) -> Text:
        """The head in its style, the sentence beside and below it."""
        text = Text(fill(head + sentence, self._width, indent=INDENT))
        text.stylize(style, 0, len(head))
        return text

    def _print(self, text: Text) -> None:
        self._console.print(text, highlight=False)


def _asides(event: Event) -> list[tuple[str, str]]:
    named = (("for the customer", event.customer), ("next", event.next))
    return [(name, sentence) for name, sentence in named if sentence]
