"""What strikes from outside: services down for a while, processes killed and stopped."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from tests.simulation.broker import Broker
from tests.simulation.engine import Engine, Process
from tests.simulation.faults import Faults
from tests.simulation.scenario import LEASE, Spell
from tests.simulation.story import Story
from tests.simulation.witness import Witness


class Weather:
    """Lets the spells of a scenario strike.

    Args:
        pick: a living process whose name begins so; None without one.
    """

    def __init__(
        self,
        engine: Engine,
        faults: Faults,
        story: Story,
        broker: Broker,
        witness: Witness,
        pick: Callable[[str], Process | None],
    ) -> None:
        self._engine = engine
        self._faults = faults
        self._story = story
        self._broker = broker
        self._witness = witness
        self._pick = pick

    def forecast(self, spells: tuple[Spell, ...]) -> None:
        """Have all of these strike at their time."""
        for spell in spells:
            self._engine.at(spell.at, partial(self._strike, spell))

    def _strike(self, spell: Spell) -> None:
        if self._faults.calm:
            return
        match spell.name:
            case "broker wiped":
                self._broker.wipe()
            case "worker killed" | "producer killed":
                self._to_one_of(spell, lambda process: self._witness.kill(process, "is killed"))
            case "worker paused past its lease":
                self._to_one_of(spell, lambda process: self._witness.pause(process, LEASE + spell.seconds))
            case "producer paused":
                self._to_one_of(spell, lambda process: self._witness.pause(process, spell.seconds))
            case _:
                self._faults.down.add(spell.name)
                self._engine.after(spell.seconds, lambda: self._lift(spell))
        self._faults.seen[spell.name] += 1
        self._story.tell("weather", f"{spell.name} ({spell.seconds:.1f} s)")

    def _to_one_of(self, spell: Spell, strike: Callable[[Process], None]) -> None:
        victim = self._pick(spell.name.partition(" ")[0])
        if victim is not None:
            strike(victim)

    def _lift(self, spell: Spell) -> None:
        self._faults.down.discard(spell.name)
        self._broker.wake_up()
