"""What operators do about deliveries: have them made again, enable an endpoint that was gone, forget a destination."""

from datetime import UTC, datetime
from functools import partial

from breakwall.payments.outcomes.event import event_id
from breakwall.payments.outcomes.operator import enable, forget, redeliver
from tests.simulation.operators import Operators
from tests.simulation.storage import Storage
from tests.simulation.world import Part, World

SOON = 600.0
"""Virtual seconds. At the end of a run, operators have made again at once what would be tried later than that."""

HELP_INTERVAL = 60.0  # Virtual seconds between two looks of theirs.


class ShopOperator(Part):
    """Acts on the deliveries by the ``ways`` of a run."""

    def __init__(self, world: World, storage: Storage, operators: Operators, ways: tuple[str, ...]) -> None:
        super().__init__(world)
        self._storage, self._operators, self._ways = storage, operators, ways
        self._helped_at = float("-inf")

    def act_at_random(self, since: float, until: float) -> None:
        """Act a few times between two moments."""
        actions = (self._redeliver_any, self._redeliver_failed, self._enable, self._enable, self._forget_any)
        for _ in range(self._rng.randint(1, 6) if self._ways else 0):
            action = partial(self._operators.begin, self._rng.choice(actions))
            self._engine.at(self._rng.uniform(since, until), action)

    def sees_undelivered(self) -> bool:
        """Whether an outcome is not delivered yet."""
        (found,) = self._storage.values(
            "SELECT EXISTS(SELECT 1 FROM outcomes WHERE taken_at IS NULL)"
            " OR EXISTS(SELECT 1 FROM deliveries WHERE delivered_at IS NULL)"
        )
        return bool(self._ways and found)

    def help(self) -> None:
        """Do what a person does once the shop is well again, now and then."""
        if self._engine.now >= self._helped_at + HELP_INTERVAL:
            self._helped_at = self._engine.now
            self._operators.begin(self._help)

    def _help(self) -> None:
        if self._storage.rows("SELECT 1 FROM destinations WHERE gone IS NOT NULL"):
            self._enable()
        if self._storage.rows("SELECT 1 FROM deliveries WHERE given_up_at IS NOT NULL"):
            self._redeliver_failed()
        events = self._storage.rows(
            "SELECT DISTINCT o.id, o.order_id, o.status, o.at FROM outcomes o"
            " JOIN deliveries d ON d.outcome_id = o.id WHERE d.due_at > ? ORDER BY o.id",
            self._storage.text(self._engine.now + SOON),
        )
        if events:
            ids = [stored_event_id(*event) for event in events]
            database = self._storage.database
            self._operators.do("redelivery of events", "", lambda: redeliver(database, event_ids=ids))

    def _redeliver_any(self) -> None:
        found = self._storage.rows("SELECT DISTINCT order_id FROM deliveries ORDER BY order_id")
        if found:
            (order_id,) = self._rng.choice(found)
            database = self._storage.database
            self._operators.do("redelivery", order_id, lambda: redeliver(database, order_id=order_id))

    def _redeliver_failed(self) -> None:
        database = self._storage.database
        self._operators.do("redelivery of all failed", "", lambda: redeliver(database, all_failed=True))

    def _enable(self) -> None:
        for way in self._ways:
            self._operators.do("enabling", way, partial(enable, self._storage.database, way))

    def _forget_any(self) -> None:
        way = self._rng.choice(self._ways)
        self._operators.do("forgetting", way, lambda: forget(self._storage.database, way))


def stored_event_id(number: int, order_id: str, status: str, at: str) -> str:
    """The id of an outcome's event; ``at`` as it is stored."""
    return event_id(number, order_id, status, datetime.fromisoformat(at).replace(tzinfo=UTC))


def stored_event_ids(storage: Storage) -> set[str]:
    """The ids of all events that the database knows."""
    return {stored_event_id(*row) for row in storage.rows("SELECT id, order_id, status, at FROM outcomes")}
