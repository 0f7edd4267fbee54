"""The database put back to what it was a while ago, and what people do then."""

from __future__ import annotations

from datetime import UTC, timedelta
from typing import TYPE_CHECKING

from breakwall.payments.operator.suspect import Suspicion
from tests.simulation.people import OPERATOR
from tests.simulation.scenario import TIMEOUT, Restore
from tests.simulation.storage import START, Saved

if TYPE_CHECKING:
    from tests.simulation.world import World


class Recovery:
    """Stops everything, puts the database back, has every open order suspected, and starts again.

    It is not done where nobody could put things right by that. An order that was accepted since is placed again by its
    customer, which only a service that remembers keys can bear. And an order whose key was renewed since would be
    looked up under its old one.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._saved: Saved | None = None

    def follow(self, restore: Restore) -> None:
        """Do it at these moments."""
        self._world.engine.at(restore.saved_at, self._save)
        self._world.engine.at(restore.at, self._stop)

    def _save(self) -> None:
        world = self._world
        if world.service.habits.remembers or world.customers.served:
            self._saved = world.storage.save()
            self._saved_at = START.replace(tzinfo=UTC) + timedelta(seconds=world.engine.now)
            self._keys = dict(world.storage.rows("SELECT id, charge_key FROM orders"))
            world.story.tell("database", "is saved")

    def _stop(self) -> None:
        world = self._world
        if self._saved is None or world.faults.calm:
            return
        world.story.tell("database", "is lost")
        world.faults.seen["database lost and put back"] += 1
        world.close()
        # What had left by then has come to its end, and its settle time begins.
        world.engine.after(TIMEOUT + 1.0, self._put_back)

    def _put_back(self) -> None:
        world = self._world
        assert self._saved is not None
        world.storage.unprune()
        if self._is_some_key_renewed():
            world.story.tell("database", "is found again as it was")
        else:
            world.storage.put_back(self._saved)
            world.storage.unprune()
            self._suspect()
            world.story.tell("database", "is put back; every open order is suspected")
            world.witness.forget()
            statuses = dict(world.storage.rows("SELECT idempotency_key, status FROM orders"))
            world.customers.hold_against(statuses)
        world.open()
        world.operators.send_all_round()

    def _suspect(self) -> None:
        suspicion = Suspicion(self._world.storage.database, sleep=lambda _: None)
        for _ in suspicion.run(self._saved_at, OPERATOR):
            pass

    def _is_some_key_renewed(self) -> bool:
        now = dict(self._world.storage.rows("SELECT id, charge_key FROM orders"))
        return any(now[order_id] != key for order_id, key in self._keys.items())
