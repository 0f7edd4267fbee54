"""An order's life as its state diagram: a drawing (SVG) with the way that it took, and its attempts. Pure.

The states and the usual ways between them are those of `docs/states.md`. Where the order went is drawn thick, and has
its number beside it, so that no colour is needed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from breakwall.payments.orders import OrderStatus, StoredAttempt
from breakwall.web.page.labels import OUTCOME_SYMBOLS, OUTCOMES, STATE_SYMBOLS, STATES, label
from breakwall.web.page.order_path import StateChange
from breakwall.web.page.words import Words

WIDTH, HEIGHT = 470, 310  # Narrow: a telephone shows all of it.
_BOX_WIDTH, _BOX_HEIGHT = 124, 36
MOST_ATTEMPTS = 10  # That are drawn; the newest.
_FIRST_MARK = 16

# The middle of each state's box. None is where an order comes from.
_PLACES: dict[OrderStatus | None, tuple[int, int]] = {
    None: (16, 190),
    OrderStatus.IN_FLIGHT: (190, 110),
    OrderStatus.QUEUED: (190, 270),
    OrderStatus.PAID: (404, 40),
    OrderStatus.DECLINED: (404, 100),
    OrderStatus.CANCELLED: (404, 160),
    OrderStatus.DEAD: (404, 220),
    OrderStatus.REVIEW: (404, 280),
}

_ENDS = ("paid", "declined", "cancelled", "dead", "review")
USUAL = (
    StateChange(None, OrderStatus.IN_FLIGHT),
    StateChange(None, OrderStatus.QUEUED),
    StateChange(OrderStatus.QUEUED, OrderStatus.IN_FLIGHT),
    StateChange(OrderStatus.IN_FLIGHT, OrderStatus.QUEUED),
    *(StateChange(OrderStatus.IN_FLIGHT, OrderStatus(name)) for name in _ENDS),
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
        """Where ``times`` is written: beside a vertical line, so that ``9×`` and ``10×`` do not read as a product."""
        beside = 0 if self.x1 != self.x2 else 22 if self.y2 > self.y1 else -22
        return (self.x1 + self.x2) / 2 + beside, (self.y1 + self.y2) / 2


@dataclass(frozen=True, slots=True)
class AttemptMark:
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
    marks: tuple[AttemptMark, ...]
    start: tuple[int, int]
    left_out: int  # Attempts that are not drawn.
    description: str


def diagram(path: Sequence[StateChange], attempts: Sequence[StoredAttempt], words: Words) -> Diagram:
    """The drawing of a way, with its attempts."""
    taken = Counter(path)
    steps = [*USUAL, *(step for step in taken if step not in USUAL)]
    drawn = attempts[-MOST_ATTEMPTS:]
    # The ways that were taken come last, and so above the others.
    steps.sort(key=lambda step: taken[step] > 0)
    return Diagram(
        lines=tuple(_line(step, taken[step], aside=_has_way_back(step, steps)) for step in steps),
        boxes=tuple(_boxes(path, words)),
        marks=tuple(_mark(place, one, words) for place, one in enumerate(drawn)),
        start=_PLACES[None],
        left_out=len(attempts) - len(drawn),
        description=_description(path, words),
    )


def _boxes(path: Sequence[StateChange], words: Words) -> Iterator[Box]:
    visited = {step.after for step in path}
    now = path[-1].after if path else None
    for state, (x, y) in _PLACES.items():
        if state is not None:
            word = f"{STATE_SYMBOLS[state]} {label(STATES, state, words)}"
            left, top = x - _BOX_WIDTH // 2, y - _BOX_HEIGHT // 2
            yield Box(left, top, _BOX_WIDTH, _BOX_HEIGHT, word, state is now, state in visited)


def _has_way_back(step: StateChange, steps: Sequence[StateChange]) -> bool:
    return any(other.before is step.after and other.after is step.before for other in steps)


def _line(step: StateChange, times: int, *, aside: bool) -> Line:
    """``aside``: the way back is drawn too, so each of them is drawn a little to its side."""
    (x1, y1), (x2, y2) = _PLACES[step.before], _PLACES[step.after]
    written = "" if times == 0 else f"{times}×"
    if x1 == x2:
        down = 1 if y2 > y1 else -1
        x = x1 + (14 * down if aside else 0)
        return Line(x, y1 + down * _BOX_HEIGHT / 2, x, y2 - down * _BOX_HEIGHT / 2, written)
    right = 1 if x2 > x1 else -1
    half = 10 if step.before is None else _BOX_WIDTH / 2
    lower = 7 if aside and right < 0 else 0
    return Line(x1 + right * half, y1 + lower, x2 - right * _BOX_WIDTH / 2, y2 + lower, written)


def _mark(place: int, attempt: StoredAttempt, words: Words) -> AttemptMark:
    outcome = None if attempt.outcome is None else attempt.outcome.value
    word = label(OUTCOMES, outcome, words)
    title = words.text("Attempt %(number)s: %(outcome)s", number=attempt.number, outcome=word)
    return AttemptMark(
        _FIRST_MARK + place * 30, 42, str(attempt.number), OUTCOME_SYMBOLS.get(outcome, "?"), title
    )


def _description(path: Sequence[StateChange], words: Words) -> str:
    states = " → ".join(label(STATES, step.after, words) for step in path)
    return words.text("The way of the order: %(states)s.", states=states)
