"""The invariants of a run at rest about how the shop has heard of its orders' ends."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row

from breakwall.payments.orders import OrderStatus
from breakwall.producers.pending import PlaceResult
from tests.simulation.customers import Customer, Customers
from tests.simulation.scenario import Scenario
from tests.simulation.shop import Receipt, Shop
from tests.simulation.shop_operator import stored_event_id
from tests.simulation.storage import START, Storage

LASTING = {OrderStatus.PAID, OrderStatus.DECLINED}
"""An order ends at most once like that."""

Rows = Iterable[Row[Any]]


@dataclass(frozen=True)
class Written:
    """One row of ``outcomes``."""

    number: int
    order_id: str
    status: str
    reason: str | None
    charge_id: str | None
    retry_count: int
    at: str

    @property
    def event_id(self) -> str:
        return stored_event_id(self.number, self.order_id, self.status, self.at)

    def document(self, order: Row[Any]) -> dict[str, Any]:
        """What the shop has to be told, by docs/outcomes.md."""
        created_at = order.created_at.replace(tzinfo=None).isoformat(" ", "microseconds")
        return {
            "type": f"order.{self.status}",
            "id": self.event_id,
            "timestamp": _moment(self.at),
            "data": {
                "order_id": self.order_id,
                "idempotency_key": order.idempotency_key,
                "user_id": order.user_id,
                "amount": order.amount,
                "currency": order.currency,
                "status": self.status,
                "charge_id": self.charge_id,
                "reason": self.reason,
                "retry_count": self.retry_count,
                "created_at": _moment(created_at),
                "settled_at": _moment(self.at),
            },
        }


class OutcomeChecks:
    """Compares the orders' ends with the outcomes that are written, and these with what the shop has taken."""

    def __init__(self, storage: Storage, scenario: Scenario, shop: Shop) -> None:
        self._storage, self._scenario, self._shop = storage, scenario, shop

    def violations(self, orders: Rows, customers: Customers) -> Iterator[str]:
        """A sentence for each way in which an invariant is broken."""
        known = {order.id: order for order in orders}
        written: dict[str, list[Written]] = defaultdict(list)
        for one in self.written():
            written[one.order_id].append(one)
        by_key = {customer.order.idempotency_key: customer for customer in customers.all}
        for order in known.values():
            ends = written[order.id]
            yield from _order_of_ends(order, ends)
            if not _ended_before_the_run(order):
                yield from _last_end(order, ends, by_key[order.idempotency_key].answers)
                yield from self._needless(order, by_key[order.idempotency_key], ends)
        yield from self._shop.problems
        for way in self._scenario.ways:
            if self._since(way) is None:
                yield f"no worker has registered the {way}"
                continue
            for order in known.values():
                yield from self._deliveries(way, order, written[order.id])
            yield from self._invented(way, written.values())
        yield from self._unreported()

    def written(self) -> list[Written]:
        """All outcomes, in the order in which they were written."""
        columns = "id, order_id, status, reason, charge_id, retry_count, at"
        return [Written(*row) for row in self._storage.rows(f"SELECT {columns} FROM outcomes ORDER BY id")]

    def _needless(self, order: Row[Any], customer: Customer, ends: list[Written]) -> Iterator[str]:
        """The only caller of an order was told this end by the `place` that charged it, so nobody else is.

        After another claim or a cancellation somebody may have been told another end, so there the outcome is written.
        """
        was_left_alone = order.fence <= 1 and not order.cancel_requested
        if customer.calls != 1 or self._scenario.restore is not None or not was_left_alone:
            return
        for answer in customer.answers:
            returned = not answer.replayed and answer.status in LASTING
            if returned and any(end.status == answer.status for end in ends):
                yield f"`place` has returned {answer}, and there are the outcomes {ends}"

    def _deliveries(self, way: str, order: Row[Any], ends: list[Written]) -> Iterator[str]:
        taken = self._shop.first[way]
        since = self._since(way) or ""
        given_up = self._given_up(way)
        latest: Receipt | None = None
        for end in ends:
            receipt = taken.get(end.event_id)
            name = f"{end.event_id} ({end.status}) of order {order.idempotency_key}"
            if receipt is None:
                if end.at >= since:
                    yield f"the {way} has never taken {name}"
                continue
            if end.at < since and self._is_known_throughout():
                yield f"the {way} has taken {name}, which is from before it was known"
            if receipt.document != end.document(order):
                yield f"the {way} has taken {receipt.document}, {name} is {end.document(order)}"
            if latest is not None and receipt.place < latest.place:
                yield f"the {way} has taken {name} before {latest.document['id']}"
            if end.event_id not in given_up:
                latest = receipt

    def _is_known_throughout(self) -> bool:
        """Whether no destination was ever forgotten, by a person or by a restore."""
        return self._scenario.restore is None and not self._scenario.helps_the_shop

    def _since(self, way: str) -> str | None:
        (since,) = self._storage.values("SELECT min(since) FROM destinations WHERE name = ?", way)
        return since and str(since)

    def _given_up(self, way: str) -> set[str]:
        found = self._storage.rows(
            "SELECT outcome_id, order_id, status, at FROM gave_up WHERE destination = ?", way
        )
        return {stored_event_id(*row) for row in found}

    def _invented(self, way: str, written: Iterable[list[Written]]) -> Iterator[str]:
        """What the shop took was an outcome in the database."""
        known = {end.event_id for ends in written for end in ends} | self._shop.lost_events
        for event_id, receipt in self._shop.first[way].items():
            if event_id not in known:
                yield f"the {way} has taken {receipt.document}, which no outcome says"

    def _unreported(self) -> Iterator[str]:
        """What was given up is an incident, unless a person has removed its destination."""
        if self._scenario.restore is not None:
            return
        for number, order_id in self._storage.rows(
            "SELECT outcome_id, order_id FROM gave_up g WHERE last_error != 'the destination was removed'"
            " AND NOT EXISTS (SELECT 1 FROM incidents i WHERE i.order_id = g.order_id AND i.kind = 'undelivered')"
        ):
            yield f"outcome {number} of order {order_id} was given up without an incident"


def _order_of_ends(order: Row[Any], ends: list[Written]) -> Iterator[str]:
    moments = [end.at for end in ends]
    if moments != sorted(moments):
        yield f"the outcomes of order {order.idempotency_key} are not in the order of its ends: {ends}"


def _last_end(order: Row[Any], ends: list[Written], told: list[PlaceResult]) -> Iterator[str]:
    """The end of each order was returned by `place`, or is its last outcome."""
    if not OrderStatus(order.status).is_final:
        return
    told_ends = [(end.status, end.charge_id) for end in ends[-1:]]
    if told_ends == [(order.status, order.charge_id)]:
        if ends[-1].reason != order.reason:
            yield f"order {order.idempotency_key} ended for {order.reason}, its outcome says {ends[-1].reason}"
    # Without an outcome each caller was told it.
    elif not told or any((one.status, one.charge_id) != (order.status, order.charge_id) for one in told):
        yield f"order {order.idempotency_key} is {order.status}, which no outcome says; `place` has returned {told}"


def _ended_before_the_run(order: Row[Any]) -> bool:
    return order.settled_at is not None and order.settled_at.replace(tzinfo=None) < START


def _moment(stored: str) -> str:
    return stored.replace(" ", "T") + "Z"
