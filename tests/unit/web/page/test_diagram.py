"""The drawing of an order's life."""

from __future__ import annotations

from breakwall.payments.gateways.base import Outcome
from breakwall.payments.orders import OrderStatus
from breakwall.web.page.diagram import HEIGHT, MOST_ATTEMPTS, WIDTH, Diagram, diagram
from breakwall.web.page.order_path import StateChange
from breakwall.web.page.words import Words
from tests.unit.web.page.test_order_path import DEAD, IN_FLIGHT, PAID, QUEUED, attempt

ENGLISH = Words("en")


def drawn(*states: OrderStatus, attempts: int = 0) -> Diagram:
    path = [StateChange(before, after) for before, after in zip((None, *states), states, strict=False)]
    return diagram(path, [attempt(n, n, n + 1, Outcome.UNKNOWN) for n in range(1, attempts + 1)], ENGLISH)


def test_each_state_is_drawn_and_the_present_one_is_marked() -> None:
    boxes = drawn(QUEUED, IN_FLIGHT, PAID).boxes
    assert len(boxes) == len(OrderStatus)
    assert [box.word for box in boxes if box.now] == ["✓ paid"]
    assert sum(box.visited for box in boxes) == 3


def test_a_way_that_was_taken_often_has_its_number() -> None:
    taken = [line.times for line in drawn(QUEUED, IN_FLIGHT, QUEUED, IN_FLIGHT, PAID).lines if line.times]
    assert sorted(taken) == ["1×", "1×", "1×", "2×"]


def test_the_numbers_of_the_two_ways_of_a_retry_are_on_different_sides() -> None:
    up, down = sorted(
        (line for line in drawn(IN_FLIGHT, QUEUED, IN_FLIGHT).lines if line.times and line.x1 == line.x2),
        key=lambda line: line.y2,
    )
    assert up.middle[0] < up.x1 < down.x1 < down.middle[0]


def test_an_unusual_way_is_drawn_when_it_was_taken() -> None:
    assert len(drawn(QUEUED, IN_FLIGHT, DEAD, QUEUED).lines) == len(drawn(QUEUED, IN_FLIGHT, DEAD).lines) + 1


def test_the_way_is_told_in_words() -> None:
    assert drawn(QUEUED, IN_FLIGHT, PAID).description == "The way of the order: waiting → in flight → paid."


def test_of_many_attempts_the_newest_are_drawn() -> None:
    many = drawn(QUEUED, IN_FLIGHT, attempts=MOST_ATTEMPTS + 3)
    assert many.marks[0].number == "4"
    assert many.left_out == 3


def test_an_attempt_has_a_symbol_and_words() -> None:
    (mark,) = drawn(QUEUED, IN_FLIGHT, QUEUED, attempts=1).marks
    assert (mark.symbol, mark.title) == ("?", "Attempt 1: no clear answer")


def test_nothing_is_outside_of_the_drawing() -> None:
    shown = drawn(QUEUED, IN_FLIGHT, DEAD, QUEUED, attempts=MOST_ATTEMPTS)
    xs = [x for line in shown.lines for x in (line.x1, line.x2)] + [box.x + box.width for box in shown.boxes]
    ys = [y for line in shown.lines for y in (line.y1, line.y2)] + [box.y + box.height for box in shown.boxes]
    assert 0 <= min(xs) <= max([*xs, *(mark.x + 12 for mark in shown.marks)]) <= WIDTH
    assert 0 <= min(ys) <= max(ys) <= HEIGHT
