"""The part of the screen that stays: what is alive, what the circuit does, how many orders wait."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from breakwall.breaker import CircuitState
from breakwall.demo.snapshot import Scene, ServiceState
from breakwall.terminal.words import duration

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.text import Text

BLOCKS = "▁▂▃▄▅▆▇█"
ASCII_BLOCKS = "_.:-=+*#"

LABELS = 16
"""Columns of the names at the left."""

_SERVICE = {
    ServiceState.STARTING: ("starting", "yellow"),
    ServiceState.UP: ("up", "green"),
    ServiceState.FAILING: ("charges cards, then breaks the connection", "bold red"),
    ServiceState.DEAD: ("dead", "bold red"),
}


def panel(
    scene: Scene, history: Sequence[tuple[float, int]], *, width: int, ascii_only: bool
) -> RenderableType:
    """Draw a moment.

    Args:
        scene: the moment.
        history: the number of waiting orders so far: seconds since the demo began, orders.
        width: columns that there are.
        ascii_only: whether the terminal shows nothing else.
    """
    from rich.panel import Panel
    from rich.table import Table

    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(width=LABELS, style="dim")
    table.add_column()
    for name, value in _rows(scene).items():
        table.add_row(name, value)
    blocks = ASCII_BLOCKS if ascii_only else BLOCKS
    table.add_row("queue over time", sparkline(history, max(8, width - LABELS - 8), blocks))
    return Panel(table, title=f"{scene.at:.0f} s", title_align="right", width=width, border_style="dim")


def _rows(scene: Scene) -> dict[str, Text]:
    from rich.text import Text

    word, style = _SERVICE[scene.service]
    worker = ("up", "green") if scene.worker_alive else ("dead", "bold red")
    return {
        "payment service": Text(word, style),
        "circuit breaker": _circuit(scene),
        "worker": Text(*worker),
        "orders": Text(_orders(scene)),
        "waiting": Text(_waiting(scene), "yellow" if scene.waiting else ""),
    }


def _circuit(scene: Scene) -> Text:
    from rich.text import Text

    match scene.circuit:
        case CircuitState.CLOSED:
            return Text.assemble(("closed", "green"), ": charges go through")
        case CircuitState.HALF_OPEN:
            return Text.assemble(("half open", "yellow"), ": a few probes go through")
        case CircuitState.OPEN:
            wait = duration(scene.retry_after)
            return Text.assemble(("open", "bold red"), f": no calls; next probe in {wait}")


def _orders(scene: Scene) -> str:
    stuck = f", {scene.stuck:,} stuck" if scene.stuck else ""
    return f"{scene.accepted:,} accepted: {scene.paid:,} paid, {scene.declined:,} declined{stuck}"


def _waiting(scene: Scene) -> str:
    if not scene.waiting:
        return "none"
    return f"{scene.waiting:,}, the longest for {duration(scene.oldest)}"


def sparkline(history: Sequence[tuple[float, int]], width: int, blocks: str = BLOCKS) -> str:
    """The numbers over their whole time in at most ``width`` characters, the tallest for the highest."""
    if not history:
        return ""
    columns = _columns(history, width)
    top = max(columns)
    if top == 0:
        return blocks[0] * len(columns)
    # Zero is the lowest mark and nothing else is: a queue of one can be told from an empty one.
    highest = len(blocks) - 1
    return "".join(blocks[0 if not n else max(1, round(n / top * highest))] for n in columns)


def _columns(history: Sequence[tuple[float, int]], width: int) -> list[int]:
    """The highest number of each equal part of the time; a part without one takes the one before."""
    start, end = history[0][0], history[-1][0]
    wanted = min(width, len(history))
    span = (end - start) or 1.0
    columns: list[int | None] = [None] * wanted
    for at, number in history:
        index = min(int((at - start) / span * wanted), wanted - 1)
        columns[index] = max(number, columns[index] or 0)
    filled: list[int] = []
    for column in columns:
        filled.append(column if column is not None else filled[-1])
    return filled
