"""After a failure the broker is left alone for a moment."""

from __future__ import annotations

import pytest

from breakwall.broker.publishing.backoff import PAUSE, Cooldown


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def cooldown(clock: Clock) -> Cooldown:
    return Cooldown(clock=clock)


def test_it_is_failing_from_a_failure_to_the_next_success(cooldown: Cooldown, clock: Clock) -> None:
    seen = [cooldown.failing]
    cooldown.failed()
    clock.now += 10 * PAUSE
    seen.append(cooldown.failing)
    cooldown.succeeded()
    assert [*seen, cooldown.failing] == [False, True, False]


def test_everybody_may_try_before_anything_failed(cooldown: Cooldown) -> None:
    assert [cooldown.enter() for _ in range(3)] == [True, True, True]


def test_nobody_may_try_during_the_pause(cooldown: Cooldown, clock: Clock) -> None:
    cooldown.failed()
    clock.now += PAUSE - 0.01
    assert not cooldown.over()
    assert not cooldown.enter()


def test_one_may_try_after_the_pause_and_the_others_wait_for_what_it_finds(
    cooldown: Cooldown, clock: Clock
) -> None:
    cooldown.failed()
    clock.now += PAUSE
    assert cooldown.over()
    assert [cooldown.enter() for _ in range(3)] == [True, False, False]


def test_another_may_try_when_the_one_never_came_back(cooldown: Cooldown, clock: Clock) -> None:
    cooldown.failed()
    clock.now += PAUSE
    cooldown.enter()
    clock.now += PAUSE
    assert cooldown.enter()


def test_everybody_may_try_after_a_success(cooldown: Cooldown, clock: Clock) -> None:
    cooldown.failed()
    clock.now += PAUSE
    cooldown.enter()
    cooldown.succeeded()
    assert [cooldown.enter() for _ in range(3)] == [True, True, True]


def test_only_the_first_failure_of_an_outage_is_news(cooldown: Cooldown) -> None:
    assert [cooldown.failed(), cooldown.failed()] == [True, False]
    cooldown.succeeded()
    assert cooldown.failed()
