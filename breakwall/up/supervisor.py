"""Keeping one program running: a program that ends is said so and started again, ever more patiently."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Protocol

from breakwall.host.exhaustion import SHORTAGES, lack_of
from breakwall.pickling import Picklable

FIRST_DELAY = 1.0
LONGEST_DELAY = 30.0
"""Seconds before the next start, doubled each time: haste does not help what fails at once, every time."""

LOOK = 0.05
"""Seconds between two looks at a program that was asked to end."""

LONG_LIFE = 30.0
"""Seconds after which an end is a new accident and no longer the same failure again."""


class Keepable(Protocol):
    """A program that was started."""

    @property
    def ready(self) -> bool: ...

    @property
    def running(self) -> bool: ...

    @property
    def how_it_ended(self) -> str: ...

    @property
    def last_words(self) -> str: ...

    def ask_to_stop(self) -> None: ...

    def kill(self) -> None: ...


class NeverReadyError(Picklable, Exception):
    """The program ended before it was up for the first time: starting it again would not help.

    Attributes:
        name: which program.
        last_words: what it said.
    """

    def __init__(self, name: str, how: str, last_words: str) -> None:
        super().__init__(f"the {name} {how} before it was up")
        self.name = name
        self.last_words = last_words


class Keeper:
    """Keeps one program running. `run_once` is to be called often, by the main thread.

    Args:
        name: what people call it.
        start: starts it.
        say: told in a sentence what happens.
    """

    def __init__(self, name: str, start: Callable[[], Keepable], say: Callable[[str], None]) -> None:
        self.name = name
        self._start = start
        self._say = say
        self._program: Keepable | None = None
        self._been_up = False
        self._started_at = 0.0
        self._due = 0.0
        self._delay = FIRST_DELAY

    @property
    def ready(self) -> bool:
        """Whether it is up."""
        return self._program is not None and self._program.ready

    @property
    def running(self) -> bool:
        return self._program is not None and self._program.running

    def run_once(self, now: float) -> None:
        """Look once, at ``now`` seconds of a monotonic clock, and start it if that is due.

        Raises:
            NeverReadyError: it ended and has never been up.
            OSError: it could not be started.
        """
        if self._program is None:
            if now >= self._due:
                self._try_to_start(now)
            return
        if not self._program.running:
            self._bury(self._program, now)

    def ask_to_stop(self) -> None:
        """Ask it to end; does not wait."""
        if self._program is not None:
            self._program.ask_to_stop()

    def kill(self) -> None:
        """End it if it still runs. Safe to call twice."""
        if self._program is not None:
            self._program.kill()

    def _try_to_start(self, now: float) -> None:
        try:
            self._program, self._started_at = self._start(), now
        except SHORTAGES as error:
            lack = lack_of(error)
            # At the very beginning somebody is there to see it.
            if lack is None or not self._been_up:
                raise
            self._put_off(now, f"The {self.name} cannot be started for want of {lack}.")

    def _put_off(self, now: float, why: str) -> None:
        self._due = now + self._delay
        self._say(f"{why} Another one starts in {self._delay:g} s.")
        self._delay = min(2 * self._delay, LONGEST_DELAY)

    def _bury(self, program: Keepable, now: float) -> None:
        program.kill()  # hears it out: its last words may be that it was up
        self._program = None
        self._been_up = self._been_up or program.ready
        if not self._been_up:
            raise NeverReadyError(self.name, program.how_it_ended, program.last_words)
        if now - self._started_at >= LONG_LIFE:
            self._delay = FIRST_DELAY
        self._put_off(now, f"The {self.name} {program.how_it_ended}.")


def end_all(
    keepers: Sequence[Keeper],
    *,
    grace: float,
    hurry: Callable[[], bool],
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Ask one program after the other to end, and kill what has not ended in time.

    Args:
        keepers: in the order in which they end.
        grace: seconds that each of them has.
        hurry: whether nobody wants to wait any longer.
        clock, sleep: monotonic seconds, and passing some.
    """
    for keeper in keepers:
        keeper.ask_to_stop()
        deadline = clock() + grace
        while keeper.running and clock() < deadline and not hurry():
            sleep(LOOK)
        keeper.kill()
