"""The same messages on a terminal and without one."""

from __future__ import annotations

import io
import re

import pytest
from rich.console import Console

from breakwall.demo.messages import DemoMessage
from breakwall.demo.screen import LineScreen, LiveScreen, open_screen
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


@pytest.mark.parametrize(("terminal", "kind"), [(True, LiveScreen), (False, LineScreen)])
def test_only_a_terminal_gets_the_live_view(terminal: bool, kind: type) -> None:
    with open_screen(console(terminal=terminal), lambda: 0.0) as screen:
        assert isinstance(screen, kind)


@pytest.mark.parametrize("name", ["CI", "NO_COLOR"])
def test_a_user_who_asks_for_a_plain_terminal_gets_lines(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "1")
    with open_screen(console(terminal=True), lambda: 0.0) as screen:
        assert isinstance(screen, LineScreen)


def test_without_a_terminal_each_sentence_is_one_line_with_its_time() -> None:
    shown = console(terminal=False, width=1000)
    screen = LineScreen(shown, lambda: 7.25)
    screen.part(2, "The payment service dies")
    screen.write(DemoMessage("word " * 60))
    screen.write(MESSAGE)
    lines = written(shown).splitlines()
    assert len(lines) == 5
    assert all(re.match(r"\[  7\.2s\] ", line) for line in lines)


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
