"""The panel says in words what is alive and what waits, and fits on the screen."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from breakwall.breaker import CircuitState
from breakwall.demo.panel import ASCII_BLOCKS, BLOCKS, panel, sparkline
from breakwall.demo.snapshot import Scene, ServiceState
from tests.unit.demo.snapshots import scene

HISTORY = [(number / 10, number) for number in range(300)]


def drawn(shown: Scene, width: int = 80, *, ascii_only: bool = False) -> str:
    """Without any colour."""
    console = Console(file=io.StringIO(), width=width, color_system=None, force_terminal=True)
    with console.capture() as capture:
        console.print(panel(shown, HISTORY, width=width, ascii_only=ascii_only))
    return capture.get()


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (CircuitState.CLOSED, "closed: charges go through"),
        (CircuitState.HALF_OPEN, "half open: a few probes"),
        (CircuitState.OPEN, "open: no calls; next probe in 1.5 s"),
    ],
)
def test_the_circuits_state_is_in_words(state: CircuitState, words: str) -> None:
    assert words in drawn(scene(circuit=state, retry_after=1.5))


@pytest.mark.parametrize(
    ("service", "words"), [(ServiceState.DEAD, "dead"), (ServiceState.FAILING, "breaks the connection")]
)
def test_what_is_wrong_with_the_payment_service_is_in_words(service: ServiceState, words: str) -> None:
    assert words in drawn(scene(service=service))


def test_a_dead_worker_is_called_dead() -> None:
    assert "dead" in drawn(scene(worker_alive=False))


def test_the_orders_and_the_queue_are_counted() -> None:
    text = drawn(scene(accepted=1284, paid=900, declined=30, waiting=354, oldest=12.0))
    assert "1,284 accepted: 900 paid, 30 declined" in text
    assert "354, the longest for 12 s" in text


@pytest.mark.parametrize("width", [60, 80, 100])
def test_no_line_is_wider_than_the_screen(width: int) -> None:
    shown = scene(accepted=20_000, paid=15_000, declined=900, waiting=4100, oldest=120.0, stuck=7)
    assert max(len(line) for line in drawn(shown, width).splitlines()) == width


def test_the_panel_keeps_its_height_whatever_happens() -> None:
    moments = [scene(), scene(service=ServiceState.DEAD, circuit=CircuitState.OPEN, waiting=300)]
    assert len({len(drawn(moment).splitlines()) for moment in moments}) == 1


def test_a_plain_terminal_gets_a_plain_sparkline() -> None:
    assert not set(BLOCKS) & set(drawn(scene(), ascii_only=True))


def test_a_sparkline_rises_with_its_numbers() -> None:
    assert sparkline([(0, 0), (1, 50), (2, 100)], 10) == "▁▅█"


def test_a_queue_of_one_can_be_told_from_an_empty_one() -> None:
    assert sparkline([(0, 0), (1, 1), (2, 1000)], 10) == "▁▂█"


def test_an_empty_queue_is_flat() -> None:
    assert sparkline([(0, 0), (1, 0)], 10) == "▁▁"
    assert sparkline([], 10) == ""


@given(st.lists(st.integers(0, 1000), min_size=1, max_size=200), st.integers(1, 60))
def test_a_sparkline_fits_and_shows_the_highest_number(numbers: list[int], width: int) -> None:
    line = sparkline([(float(at), number) for at, number in enumerate(numbers)], width, ASCII_BLOCKS)
    assert len(line) == min(width, len(numbers))
    assert (ASCII_BLOCKS[-1] in line) == any(numbers)
