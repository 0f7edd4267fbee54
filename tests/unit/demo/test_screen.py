"""The same story on a terminal and without one."""

from __future__ import annotations

import io
import re

import pytest
from rich.console import Console

from breakwall.demo.messages import Event
from breakwall.demo.screen import LineStage, LiveStage, set_stage
from tests.unit.demo.snapshots import scene

EVENT = Event("The service died.", customer="is served within 5 s.", next="a probe.")


def console(*, terminal: bool, width: int = 80) -> Console:
    return Console(file=io.StringIO(), force_terminal=terminal, width=width, color_system=None, _environ={})


def told(shown: Console) -> str:
    assert isinstance(shown.file, io.StringIO)
    return shown.file.getvalue()


@pytest.fixture(autouse=True)
def no_wishes(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CI", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)


def test_a_terminal_gets_the_live_view() -> None:
    assert isinstance(set_stage(console(terminal=True), lambda: 0.0), LiveStage)


def test_a_pipe_gets_lines() -> None:
    assert isinstance(set_stage(console(terminal=False), lambda: 0.0), LineStage)


@pytest.mark.parametrize("name", ["CI", "NO_COLOR"])
def test_who_asks_for_a_plain_terminal_gets_lines(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "1")
    assert isinstance(set_stage(console(terminal=True), lambda: 0.0), LineStage)


def test_without_a_terminal_each_sentence_is_one_line_with_its_time() -> None:
    shown = console(terminal=False, width=1000)
    with LineStage(shown, lambda: 7.25) as stage:
        stage.act(2, "The payment service dies")
        stage.tell(Event("word " * 60))
        stage.tell(EVENT)
    lines = told(shown).splitlines()
    assert len(lines) == 5
    assert all(re.match(r"\[  7\.2s\] ", line) for line in lines)


def test_both_stages_tell_all_of_an_event() -> None:
    for stage_class in (LineStage, LiveStage):
        shown = console(terminal=True)
        with stage_class(shown, lambda: 1.0) as stage:
            stage.tell(EVENT)
        for sentence in (EVENT.what, f"for the customer: {EVENT.customer}", f"next: {EVENT.next}"):
            assert sentence in told(shown)


def test_the_panel_is_gone_when_the_story_is_over_and_the_story_stays() -> None:
    shown = console(terminal=True)
    with LiveStage(shown, lambda: 1.0) as stage:
        stage.show(scene())
        assert "circuit breaker" in told(shown)
        stage.tell(EVENT)
    # The last word is to the terminal: the lines of the panel are erased.
    assert told(shown).rindex("\x1b[2K") > told(shown).rindex("circuit breaker")
