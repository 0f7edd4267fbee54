"""The invariant of a paused queue: workers begin with no order but released ones."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sqlalchemy import Connection

from breakwall.payments.fleet.drain_control import DrainState, effective_rate
from breakwall.payments.fleet.workers import DEAD_AFTER
from breakwall.worker.control.hold import Hold
from breakwall.worker.control.reader import INTERVAL, UNREAD, DrainStateReader
from tests.simulation.storage import Storage
from tests.simulation.trace import Violation
from tests.simulation.world import Part, World

if TYPE_CHECKING:
    from tests.simulation.processes import WorkerProcess

IN_FORCE = (
    "SELECT paused_at FROM drain_control WHERE paused_at IS NOT NULL"
    " AND (paused_until IS NULL OR paused_until > :now)"
)

DECIDED = (
    f"SELECT rate, ({IN_FORCE}), (SELECT count(*) FROM workers WHERE seen_at >= :now-{DEAD_AFTER:.0f})"
    " FROM drain_control"
)
"""What operators have decided, and how many workers share a rate."""


class WatchedReader(DrainStateReader):
    """A worker's real one, which also knows when it began its last reading that was answered."""

    def __init__(self, process: WorkerProcess) -> None:
        self._setting = process.context.scenario.max_rate
        super().__init__(
            process.context.storage.database, process.breaker.cap_background_rate, max_rate=self._setting
        )
        self._engine = process.context.engine
        self._storage = process.context.storage
        self.read_at: float | None = None
        self._seen: list[tuple[object, ...]] | None = None  # What it read then.

    @property
    def known_rate(self) -> float | None:
        """The rate that holds as far as it knows; none before the first reading."""
        return None if self.state is UNREAD else effective_rate(self.state, self._setting)

    def run(self) -> None:
        """Like its thread, but without the readings that would change nothing."""
        while True:
            if self._seen is None or self._seen != self._storage.rows(DECIDED):
                self.run_once()
            self._engine.sleep(INTERVAL)

    def _select(self, connection: Connection) -> tuple[DrainState, int]:
        # The statements follow at this moment: a transaction waits before it begins.
        began = self._engine.now
        found = super()._select(connection)
        self.read_at, self._seen = began, self._storage.rows(DECIDED)
        return found


class WatchedHold(Hold):
    """A worker's real one, which reports each answer."""

    def __init__(self, pauses: PauseObserver, reader: WatchedReader) -> None:
        super().__init__(reader.is_paused)
        self._pauses = pauses
        self._reader = reader

    def __call__(self) -> float:
        return self._pauses.asked(self._reader, super().__call__())


class PauseObserver(Part):
    """Knows since when a pause is committed at the latest, and checks what workers do meanwhile."""

    def __init__(self, world: World, storage: Storage) -> None:
        super().__init__(world)
        self._storage = storage
        self._deciding = 0  # Operators who are changing the drain's state.
        self._committed: dict[str, float] = {}  # By a pause's beginning: since when it is certain.

    @contextmanager
    def decision(self) -> Iterator[None]:
        """An operator pauses or resumes the queue, with or without success."""
        self._deciding += 1
        try:
            yield
        finally:
            self._deciding -= 1
            for (began,) in self._storage.rows(IN_FORCE):
                self._committed[began] = self._engine.now

    def asked(self, reader: WatchedReader, wait: float) -> float:
        """A worker has asked whether it may begin with an order; it has to wait so many seconds."""
        if wait == 0.0:
            since = self._in_force_since()
            if reader.read_at is None:
                raise Violation(
                    "a worker begins with an order without having read whether the queue is paused"
                )
            if since is not None and since < reader.read_at:
                raise Violation(f"a worker begins with an order of a queue that is paused since {since:.3f}")
            self._engine.task.observed["may_claim"] = True
        else:
            self._faults.seen["order held by a pause"] += 1
        return wait

    def releases(self, order_id: str) -> None:
        """A worker begins with an order that it takes for released."""
        released = self._storage.rows("SELECT 1 FROM released_orders WHERE order_id = ?", order_id)
        if not released and self._in_force_since() is not None:
            raise Violation(f"a worker takes order {order_id} for released")
        self._faults.seen["released order worked on"] += 1
        self._engine.task.observed["may_claim"] = True

    def claims(self, order_id: str) -> None:
        """A worker claims an order."""
        if not self._engine.task.observed.pop("may_claim", False):
            raise Violation(f"order {order_id} is claimed without asking whether the queue is paused")

    def _in_force_since(self) -> float | None:
        """Since when a pause is in force for certain; None: there is none, or an operator is about to change it."""
        if self._deciding:
            return None
        for (began,) in self._storage.rows(IN_FORCE):
            return self._committed.get(began)
        return None
