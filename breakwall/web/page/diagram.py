"""An order's life as its state diagram: a drawing (SVG) with the way that it took, and its attempts. Pure.

The states and the usual ways between them are those of `docs/states.md`. Where the order went is drawn thick, and has
its number beside it, so that no colour is needed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import hypot

from breakwall.payments.orders import OrderStatus, StoredAttempt
from breakwall.web.page.labels import OUTCOME_SYMBOLS, OUTCOMES, STATE_SYMBOLS, STATES, label
from breakwall.web.page.order_path import Step
from breakwall.web.page.words import Words

WIDTH, HEIGHT = 700, 330
_BOX_WIDTH, _BOX_HEIGHT = 124, 36
MOST_ATTEMPTS = 10  # That are drawn; the newest.

# The middle of each state's box. None is where an order comes from.
_PLACES: dict[OrderStatus | None, tuple[int, int]] = {
    None: (30, 190),
    OrderStatus.IN_FLIGHT: (250, 100),
    OrderStatus.QUEUED: (250, 270),
    OrderStatus.PAID: (600, 40),
    OrderStatus.DECLINED: (600, 100),
    OrderStatus.CANCELLED: (600, 160),
    OrderStatus.DEAD: (600, 220),
    OrderStatus.REVIEW: (600, 280),
}

_ENDS = ("paid", "declined", "cancelled", "dead", "review")
USUAL = (
    Step(None, OrderStatus.IN_FLIGHT),
    Step(None, OrderStatus.QUEUED),
    Step(OrderStatus.QUEUED, OrderStatus.IN_FLIGHT),
    Step(OrderStatus.IN_FLIGHT, OrderStatus.QUEUED),
    *(Step(OrderStatus.IN_FLIGHT, OrderStatus(name)) for name in _ENDS),
)


@dataclass(frozen=True, slots=True)
class Box:
    """A state. ``now``: the order is in it; ``visited``: it was."""

    x: int
    y: int
    width: int
    height: int
    word: str
    now: bool
    visited: bool


@dataclass(frozen=True, slots=True)
class Line:
    """A way from one state to another. ``times``: how often the order took it; a text, empty for never."""

    x1: float
    y1: float
    x2: float
    y2: float
    times: str

    @property
    def middle(self) -> tuple[float, float]:
        """Where ``times`` is written."""
        return (self.x1 + self.x2) / 2, (self.y1 + self.y2) / 2


@dataclass(frozen=True, slots=True)
class Mark:
    """An attempt, as a small circle above the state in which it is made."""

    x: int
    y: int
    number: str
    symbol: str
    title: str


@dataclass(frozen=True, slots=True)
class Diagram:
    """What the template draws, and the same in words for who does not see it."""

    lines: tuple[Line, ...]
    boxes: tuple[Box, ...]
    marks: tuple[Mark, ...]
    start: tuple[int, int]
    left_out: int  # Attempts that are not drawn.
    description: str


def diagram(path: Sequence[Step], attempts: Sequence[StoredAttempt], words: Words) -> Diagram:
    """The drawing of a way, with its attempts."""
    taken = Counter(path)
    steps = [*USUAL, *(step for step in taken if step not in USUAL)]
    drawn = attempts[-MOST_ATTEMPTS:]
    # The ways that were taken come last, and so above the others.
    steps.sort(key=lambda step: taken[step] > 0)
    return Diagram(
        lines=tuple(_line(step, taken[step]) for step in steps),
        boxes=tuple(_boxes(path, words)),
        marks=tuple(_mark(place, one, words) for place, one in enumerate(drawn)),
        start=_PLACES[None],
        left_out=len(attempts) - len(drawn),
        description=_description(path, words),
    )


def _boxes(path: Sequence[Step], words: Words) -> Iterator[Box]:
    visited = {step.after for step in path}
    now = path[-1].after if path else None
    for state, (x, y) in _PLACES.items():
        if state is not None:
            word = f"{STATE_SYMBOLS[state]} {label(STATES, state, words)}"
            left, top = x - _BOX_WIDTH // 2, y - _BOX_HEIGHT // 2
            yield Box(left, top, _BOX_WIDTH, _BOX_HEIGHT, word, state is now, state in visited)


def _line(step: Step, times: int) -> Line:
    (x1, y1), (x2, y2) = _PLACES[step.before], _PLACES[step.after]
    # The two directions between the same states are drawn side by side.
    length = hypot(x2 - x1, y2 - y1)
    aside = 14 if step.before is not None else 0
    dx, dy = aside * (y2 - y1) / length, -aside * (x2 - x1) / length
    start = _edge(x1, y1, x2, y2, 12 if step.before is None else None)
    end = _edge(x2, y2, x1, y1, None)
    written = "" if times == 0 else f"{times}×"
    return Line(start[0] + dx, start[1] + dy, end[0] + dx, end[1] + dy, written)


def _edge(x: float, y: float, to_x: float, to_y: float, radius: float | None) -> tuple[float, float]:
    """Where a line from the middle of a box (or of a circle) to another point leaves it."""
    dx, dy = to_x - x, to_y - y
    if radius is not None:
        length = hypot(dx, dy)
        return x + radius * dx / length, y + radius * dy / length
    across = _BOX_WIDTH / 2 / abs(dx) if dx else float("inf")
    down = _BOX_HEIGHT / 2 / abs(dy) if dy else float("inf")
    part = min(across, down)
    return x + dx * part, y + dy * part


def _mark(place: int, attempt: StoredAttempt, words: Words) -> Mark:
    x = _PLACES[OrderStatus.IN_FLIGHT][0] - _BOX_WIDTH // 2 - 60 + place * 30
    outcome = None if attempt.outcome is None else attempt.outcome.value
    word = label(OUTCOMES, outcome, words)
    title = words.text("Attempt %(number)s: %(outcome)s", number=attempt.number, outcome=word)
    return Mark(x, 30, str(attempt.number), OUTCOME_SYMBOLS.get(outcome, "?"), title)


def _description(path: Sequence[Step], words: Words) -> str:
    states = " → ".join(label(STATES, step.after, words) for step in path)
    return words.text("The way of the order: %(states)s.", states=states)
