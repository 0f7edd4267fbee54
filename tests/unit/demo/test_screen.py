"""The same messages on a terminal and without one; a terminal has a panel of what is alive and what waits."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from breakwall.breaker import CircuitState
from breakwall.demo.messages import DemoMessage
from breakwall.demo.screen import ASCII_BLOCKS, BLOCKS, DemoScreen, open_screen, panel, sparkline
from breakwall.demo.snapshot import DemoSnapshot, ServiceState
from tests.unit.demo.snapshots import snapshot

MESSAGE = DemoMessage("The service died.", customer="an answer within 5 s.", next="a probe.")


def console(*, terminal: bool, width: int = 80) -> Console:
    return Console(file=io.StringIO(), force_terminal=terminal, width=width, color_system=None, _environ={})


def written(shown: Console) -> str:
    assert isinstance(shown.file, io.StringIO)
    return shown.file.getvalue()


@pytest.fixture(autouse=True)
def _no_preferences(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CI", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("terminal", "variable", "has_panel"),
    [(True, None, True), (False, None, False), (True, "CI", False), (True, "NO_COLOR", False)],
)
def test_only_an_interactive_terminal_has_the_panel(
    terminal: bool, variable: str | None, has_panel: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if variable is not None:
        monkeypatch.setenv(variable, "1")
    shown = console(terminal=terminal)
    with open_screen(shown, lambda: 0.0) as screen:
        screen.show(snapshot())
    assert ("circuit breaker" in written(shown)) is has_panel


def test_without_a_terminal_each_sentence_is_one_line() -> None:
    shown = console(terminal=False, width=1000)
    screen = DemoScreen(shown, lambda: 7.25)
    screen.part(2)
    screen.write(DemoMessage("word " * 60))
    screen.write(MESSAGE)
    assert [line[:16] for line in written(shown).splitlines()] == [
        "",
        "Part 2: The paym",
        "  7.2s  word wor",
        "  7.2s  The serv",
        "        for the ",
        "        next: a ",
    ]


@pytest.mark.parametrize("terminal", [True, False])
def test_each_screen_shows_all_of_a_message(terminal: bool) -> None:
    shown = console(terminal=terminal)
    with open_screen(shown, lambda: 1.0) as screen:
        screen.write(MESSAGE)
    for sentence in (MESSAGE.what, f"for the customer: {MESSAGE.customer}", f"next: {MESSAGE.next}"):
        assert sentence in written(shown)


def test_at_the_end_the_panel_is_erased_and_the_messages_stay() -> None:
    shown = console(terminal=True)
    with open_screen(shown, lambda: 1.0) as screen:
        screen.show(snapshot())
        assert "circuit breaker" in written(shown)
        screen.write(MESSAGE)
    # The last output is to the terminal: the lines of the panel are erased.
    assert written(shown).rindex("\x1b[2K") > written(shown).rindex("circuit breaker")


QUEUE = list(range(300))


def drawn(shown: DemoSnapshot, width: int = 80, *, ascii_only: bool = False) -> str:
    """Without any colour."""
    console = Console(file=io.StringIO(), width=width, color_system=None, force_terminal=True)
    with console.capture() as capture:
        console.print(panel(shown, QUEUE, width=width, ascii_only=ascii_only))
    return capture.get()


@pytest.mark.parametrize(
    ("now", "words"),
    [
        (snapshot(circuit=CircuitState.CLOSED), "closed: charges go through"),
        (snapshot(circuit=CircuitState.HALF_OPEN), "half open: a few probes"),
        (snapshot(circuit=CircuitState.OPEN, retry_after=1.5), "open: no calls; next probe in 1.5 s"),
        (snapshot(service=ServiceState.DEAD), "dead"),
        (snapshot(service=ServiceState.FAILING), "breaks the connection"),
        (snapshot(worker_alive=False), "dead"),
        (snapshot(accepted=1284, paid=900, declined=30), "1,284 accepted: 900 paid, 30 declined"),
        (snapshot(waiting=354, oldest=12.0), "354, the longest for 12 s"),
    ],
)
def test_the_panel_says_in_words_what_is_alive_and_what_waits(now: DemoSnapshot, words: str) -> None:
    assert words in drawn(now)


@pytest.mark.parametrize("width", [60, 80, 100])
def test_no_line_is_wider_than_the_screen(width: int) -> None:
    shown = snapshot(accepted=20_000, paid=15_000, declined=900, waiting=4100, oldest=120.0, stuck=7)
    assert max(len(line) for line in drawn(shown, width).splitlines()) == width


def test_the_panel_keeps_its_height_whatever_happens() -> None:
    moments = [snapshot(), snapshot(service=ServiceState.DEAD, circuit=CircuitState.OPEN, waiting=300)]
    assert len({len(drawn(moment).splitlines()) for moment in moments}) == 1


def test_a_plain_terminal_gets_a_plain_sparkline() -> None:
    assert not set(BLOCKS) & set(drawn(snapshot(), ascii_only=True))


def test_a_sparkline_rises_with_its_numbers() -> None:
    assert sparkline([0, 50, 100], 10) == "▁▅█"


def test_a_queue_of_one_can_be_told_from_an_empty_one() -> None:
    assert sparkline([0, 1, 1000], 10) == "▁▂█"


def test_an_empty_queue_is_flat() -> None:
    assert sparkline([0, 0], 10) == "▁▁"
    assert sparkline([], 10) == ""


@given(st.lists(st.integers(0, 1000), min_size=1, max_size=200), st.integers(1, 60))
def test_a_sparkline_fits_and_shows_the_highest_number(numbers: list[int], width: int) -> None:
    line = sparkline(numbers, width, ASCII_BLOCKS)
    assert len(line) == min(width, len(numbers))
    assert (ASCII_BLOCKS[-1] in line) == any(numbers)
