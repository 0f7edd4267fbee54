"""Who has acted is named; without a name nobody is called unknown, whatever is shown."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from breakwall.actors import NO_NAME, by_actor, is_named, name_or
from breakwall.breaker import BreakerStatus, Override, OverrideMode
from breakwall.cli.breaker_text import override_with_reason
from breakwall.cli.queue.drain_state import paused_by
from breakwall.monitor.obstacles import obstacles
from breakwall.payments.fleet.drain_control import Pause
from breakwall.web.page.verdict import verdict
from breakwall.web.page.view import page_view
from breakwall.web.page.words import LANGUAGES, Words
from tests.page_snapshots import NOW, WAITING, backlog, overridden, seen
from tests.unit.monitor.snapshots import CALM, CLOSED

PAUSE = Pause(NO_NAME, "maintenance", NOW - timedelta(minutes=5))


def by_nobody(status: BreakerStatus) -> BreakerStatus:
    assert status.override is not None
    return replace(status, override=replace(status.override, actor=NO_NAME))


def test_a_name_stands_behind_what_was_done() -> None:
    assert (by_actor("anna"), name_or("-", "anna"), is_named("anna")) == (" by anna", "anna", True)


def test_without_a_name_there_is_nothing() -> None:
    assert (by_actor(NO_NAME), name_or("-", NO_NAME), is_named(NO_NAME)) == ("", "-", False)


def test_the_command_line_names_nobody() -> None:
    forced = replace(CLOSED, override=Override(OverrideMode.FORCED_OPEN, "why", NO_NAME, 900.0, None))
    assert override_with_reason(forced) == "[bold]forced open[/] until it is lifted: why"
    assert paused_by(replace(PAUSE, at=None)) == "maintenance"
    assert paused_by(PAUSE).startswith("since ")
    [held, paused] = [
        *obstacles(replace(CALM, queued=1), forced, 0, None, read_only=False)[:1],
        *obstacles(replace(CALM, at=NOW, queued=1), CLOSED, 0, PAUSE, read_only=False)[:1],
    ]
    assert held.message == "the circuit is forced open: why"
    assert paused.message == "the queue is paused, 5 min ago: maintenance"


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"paused": PAUSE}, "The queue was paused 5 min ago."),
        (
            {"breaker": by_nobody(overridden(OverrideMode.FORCED_OPEN))},
            "All payments were stopped 10 min ago: the circuit is forced open.",
        ),
        (
            {"breaker": by_nobody(overridden(OverrideMode.FORCED_CLOSED))},
            "The circuit was overridden 10 min ago: it lets every payment through.",
        ),
    ],
)
def test_the_page_names_nobody_in_any_language(changed: dict[str, object], said: str) -> None:
    found = seen(backlog=backlog(**WAITING, **changed))
    assert str(verdict(found, Words("en"))).startswith(said)
    for language in LANGUAGES:
        shown = str(page_view(found, Words(language)))
        assert NO_NAME not in shown.lower()
        assert " 님" not in shown
