"""The fixed part of the screen: which processes are alive, the circuit's state, how many orders wait."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from breakwall.breaker import CircuitState
from breakwall.demo.snapshot import DemoSnapshot, ServiceState
from breakwall.terminal.words import duration

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.text import Text

BLOCKS = "▁▂▃▄▅▆▇█"
ASCII_BLOCKS = "_.:-=+*#"

LABELS = 16  # Columns of the names at the left.

_SERVICE = {
    ServiceState.STARTING: ("starting", "yellow"),
    ServiceState.UP: ("up", "green"),
    ServiceState.FAILING: ("charges cards, then breaks the connection", "bold red"),
    ServiceState.DEAD: ("dead", "bold red"),
}


def panel(
    now: DemoSnapshot, history: Sequence[tuple[float, int]], *, width: int, ascii_only: bool
) -> RenderableType:
    """Draw a snapshot.

    Args:
        now: the snapshot.
        history: the number of waiting orders until now: seconds since the demo began, orders.
        width: columns of the panel.
        ascii_only: whether the terminal shows only ASCII.
    """
    from rich.panel import Panel
    from rich.table import Table

    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(width=LABELS, style="dim")
    table.add_column()
    for name, value in _rows(now).items():
        table.add_row(name, value)
    blocks = ASCII_BLOCKS if ascii_only else BLOCKS
    table.add_row("queue over time", sparkline(history, max(8, width - LABELS - 8), blocks))
    return Panel(table, title=f"{now.at:.0f} s", title_align="right", width=width, border_style="dim")


def _rows(now: DemoSnapshot) -> dict[str, Text]:
    from rich.text import Text

    word, style = _SERVICE[now.service]
    worker = ("up", "green") if now.worker_alive else ("dead", "bold red")
    return {
        "payment service": Text(word, style),
        "circuit breaker": _circuit(now),
        "worker": Text(*worker),
        "orders": Text(_orders(now)),
        "waiting": Text(_waiting(now), "yellow" if now.waiting else ""),
    }


def _circuit(now: DemoSnapshot) -> Text:
    from rich.text import Text

    match now.circuit:
        case CircuitState.CLOSED:
            return Text.assemble(("closed", "green"), ": charges go through")
        case CircuitState.HALF_OPEN:
            return Text.assemble(("half open", "yellow"), ": a few probes go through")
        case CircuitState.OPEN:
            wait = duration(now.retry_after)
            return Text.assemble(("open", "bold red"), f": no calls; next probe in {wait}")


def _orders(now: DemoSnapshot) -> str:
    stuck = f", {now.stuck:,} stuck" if now.stuck else ""
    return f"{now.accepted:,} accepted: {now.paid:,} paid, {now.declined:,} declined{stuck}"


def _waiting(now: DemoSnapshot) -> str:
    if not now.waiting:
        return "none"
    return f"{now.waiting:,}, the longest for {duration(now.oldest)}"


def sparkline(history: Sequence[tuple[float, int]], width: int, blocks: str = BLOCKS) -> str:
    """The numbers over the whole time, in at most ``width`` characters. The highest number is the tallest."""
    if not history:
        return ""
    columns = _columns(history, width)
    top = max(columns)
    if top == 0:
        return blocks[0] * len(columns)
    # Only zero is the lowest character, so that a queue of one differs from an empty one.
    highest = len(blocks) - 1
    return "".join(blocks[0 if not n else max(1, round(n / top * highest))] for n in columns)


def _columns(history: Sequence[tuple[float, int]], width: int) -> list[int]:
    """The highest number in each equal part of the time. A part without a number repeats the one before."""
    start, end = history[0][0], history[-1][0]
    wanted = min(width, len(history))
    span = (end - start) or 1.0
    highest: dict[int, int] = {}
    for at, number in history:
        index = min(int((at - start) / span * wanted), wanted - 1)
        highest[index] = max(number, highest.get(index, 0))
    columns: list[int] = []
    for index in range(wanted):
        columns.append(highest[index] if index in highest else columns[-1])
    return columns
