"""Line charts as SVG, legible on a light and on a dark page."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path

Points = Sequence[tuple[float, float]]

WIDTH, HEIGHT = 760, 190  # Of one panel, in pixels.
LEFT, RIGHT, TOP, BOTTOM = 64, 16, 30, 26
COLORS = {"ours": "#1a7f5a", "plain Celery": "#c2570c", "pybreaker": "#6d5bd0", "direct call": "#b3261e"}
DARK = {"ours": "#4cc38a", "plain Celery": "#f0883e", "pybreaker": "#a99bff", "direct call": "#ff7b72"}
DASHES = {"ours": "", "plain Celery": "7 3", "pybreaker": "2 3", "direct call": "10 3 2 3"}


@dataclass
class Panel:
    """One diagram: a line for each contender over the same seconds.

    Attributes:
        limit: a dashed horizontal line with its name, such as a capacity.
        logarithmic: the vertical axis has powers of ten; what is below the lowest is drawn there.
        shaded: the first and the last second of a stretch, and its name.
    """

    title: str
    lines: dict[str, Points]
    limit: tuple[float, str] | None = None
    logarithmic: bool = False
    shaded: tuple[float, float, str] | None = None

    @property
    def heading(self) -> str:
        """The title, which also names the shade and the limit: beside them the lines would cross their names."""
        shade = [f"grey: {self.shaded[2]}"] if self.shaded else []
        limit = [f"dashed: {self.limit[1]}"] if self.limit else []
        return "; ".join([self.title, *shade, *limit])


@dataclass
class Chart:
    """Panels below each other, with one axis of seconds and one legend."""

    title: str
    panels: list[Panel] = field(default_factory=list)

    def write(self, file: Path) -> None:
        file.write_text(self.svg(), encoding="utf-8")

    def svg(self) -> str:
        names = list(dict.fromkeys(name for panel in self.panels for name in panel.lines))
        last = max(
            (x for panel in self.panels for line in panel.lines.values() for x, _ in line), default=1.0
        )
        height = 62 + len(self.panels) * HEIGHT + 22
        body = [
            f'<text class="title" x="{LEFT}" y="22">{escape(self.title)}</text>',
            *_legend(names),
            *(part for number, panel in enumerate(self.panels) for part in _draw(panel, number, last, names)),
            f'<text x="{WIDTH - RIGHT}" y="{height - 8}" text-anchor="end">seconds</text>',
        ]
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" '
            f'aria-label="{escape(self.title)}">'
        )
        return "\n".join([head, _style(names), *body, "</svg>", ""])


def _style(names: list[str]) -> str:
    light = "".join(f".l{n}{{stroke:{COLORS.get(name, '#555')}}}" for n, name in enumerate(names))
    dark = "".join(f".l{n}{{stroke:{DARK.get(name, '#aaa')}}}" for n, name in enumerate(names))
    return (
        "<style>text{font:12px system-ui,sans-serif;fill:#444}.title{font-size:15px;fill:#111}"
        ".grid{stroke:#d8d8d8}.axis{stroke:#777}.limit{stroke:#777;stroke-dasharray:4 4}"
        ".shade{fill:#888;fill-opacity:.18}"
        f"polyline,.key{{fill:none;stroke-width:1.8}}{light}"
        "@media(prefers-color-scheme:dark){text{fill:#bbb}.title{fill:#eee}.grid{stroke:#3a3a3a}"
        f".axis,.limit{{stroke:#999}}{dark}}}</style>"
    )


def _legend(names: list[str]) -> list[str]:
    parts, x = [], LEFT
    for number, name in enumerate(names):
        dash = DASHES.get(name, "")
        parts.append(
            f'<line class="key l{number}" x1="{x}" y1="42" x2="{x + 26}" y2="42" stroke-dasharray="{dash}"/>'
        )
        parts.append(f'<text x="{x + 32}" y="46">{escape(name)}</text>')
        x += 50 + 7 * len(name)
    return parts


def _draw(panel: Panel, number: int, last: float, names: list[str]) -> list[str]:
    top = 56 + number * HEIGHT + TOP
    bottom = top + HEIGHT - TOP - BOTTOM
    scale = _Scale(panel, top, bottom)

    def x(seconds: float) -> float:
        return round(LEFT + (WIDTH - LEFT - RIGHT) * max(0.0, seconds) / last, 1)

    parts = [f'<text x="{LEFT}" y="{top - 9}">{escape(panel.heading)}</text>']
    if panel.shaded is not None:
        begin, end, _ = panel.shaded
        parts.append(
            f'<rect class="shade" x="{x(begin)}" y="{top}" width="{x(end) - x(begin):.1f}" height="{bottom - top}"/>'
        )
    for value in scale.ticks:
        y = scale.y(value)
        parts.append(f'<line class="grid" x1="{LEFT}" y1="{y}" x2="{WIDTH - RIGHT}" y2="{y}"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y + 4}" text-anchor="end">{scale.name(value)}</text>')
    for seconds in _steps(last, 8):
        parts.append(
            f'<text x="{x(seconds)}" y="{bottom + 16}" text-anchor="middle">{_short(seconds)}</text>'
        )
    parts.append(f'<line class="axis" x1="{LEFT}" y1="{bottom}" x2="{WIDTH - RIGHT}" y2="{bottom}"/>')
    if panel.limit is not None:
        y = scale.y(panel.limit[0])
        parts.append(f'<line class="limit" x1="{LEFT}" y1="{y}" x2="{WIDTH - RIGHT}" y2="{y}"/>')
    for name, line in panel.lines.items():
        points = " ".join(f"{x(seconds)},{scale.y(value)}" for seconds, value in line)
        dash = DASHES.get(name, "")
        parts.append(f'<polyline class="l{names.index(name)}" stroke-dasharray="{dash}" points="{points}"/>')
    return parts


class _Scale:
    """The vertical axis of a panel."""

    def __init__(self, panel: Panel, top: float, bottom: float) -> None:
        values = [value for line in panel.lines.values() for _, value in line]
        values += [panel.limit[0]] if panel.limit else []
        self._top, self._bottom, self._log = top, bottom, panel.logarithmic
        highest = max([*values, 0.001])
        if self._log:
            self._low = math.floor(math.log10(max(min([v for v in values if v > 0] or [1.0]), 0.001)))
            self._high = max(math.ceil(math.log10(highest)), self._low + 1)
            self.ticks = [10.0**power for power in range(self._low, self._high + 1)]
        else:
            self.ticks = _steps(highest, 4)
            step = self.ticks[1] - self.ticks[0]
            self._low, self._high = 0, math.ceil(highest / step - 1e-9) * step  # type: ignore[assignment]
            self.ticks = [number * step for number in range(round(self._high / step) + 1)]

    def name(self, tick: float) -> str:
        """How a tick is labelled: zero has no logarithm, so the lowest power of ten stands for it too."""
        return f"≤ {_short(tick)}" if self._log and tick == self.ticks[0] else _short(tick)

    def y(self, value: float) -> float:
        at = math.log10(max(value, 10.0**self._low)) if self._log else value
        share = (at - self._low) / (self._high - self._low)
        return round(self._bottom - (self._bottom - self._top) * share, 1)


def _steps(highest: float, wanted: int) -> list[float]:
    """Round numbers from 0 to at most ``highest``, about so many."""
    rough = highest / wanted
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough)
    return [number * step for number in range(max(2, math.floor(highest / step) + 1))]


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.3g}"
