"""Whatever happens to orders, and however often they end: each end and each attempt counts once."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime

import pytest
from sqlalchemy import Connection, func, select, update

from breakwall.monitor.metrics.counted import OVER, Key
from breakwall.monitor.metrics.totals import COMMITTED, TotalsReader
from breakwall.payments.db.end_trigger import create_end_trigger
from breakwall.payments.db.operator_tables import earlier_ends
from breakwall.payments.db.schema import ResolvedBy, attempts, orders
from breakwall.payments.gateways.base import ChargeAnswer
from breakwall.payments.interventions import Author
from breakwall.payments.ledger.hint import hint
from breakwall.payments.operator.locking import RefusedError
from breakwall.payments.orders import OrderStatus, StoredOrder
from tests.contract.people import dead
from tests.contract.site import Site, order
from tests.gateway import ABSENT, DECLINED, DOWN, LOST, NO_ANSWER, PAID

KIM = Author("kim", "a try")
FEW = 5  # Orders, so that much happens to each.
OPEN = (OrderStatus.QUEUED, OrderStatus.IN_FLIGHT)


class Life:
    """Orders to which anything may happen, and their ends as somebody who watches each step sees them."""

    def __init__(self, site: Site, seed: int) -> None:
        self.site = site
        self.random = random.Random(seed)
        self.reader = TotalsReader(site.database, site.clock, monotonic=lambda: 0.0)
        self.reader.read()
        self.last: Counter[Key] = Counter()
        self.ends: Counter[str] = Counter()
        self.seen: dict[str, tuple[OrderStatus, datetime | None]] = {}
        self.keys: list[str] = []

    def step(self) -> None:
        actions: list[Callable[[], None]] = [self.place, self.defer, self.person, self.hint, *[self.work] * 5]
        self.random.choice(actions)()
        self.watch()
        self.site.advance(self.random.choice((0, 1, 4, 31, 90, 90)))
        if self.random.random() < 0.3:
            self.read()

    def place(self) -> None:
        if len(self.keys) == FEW:
            return
        key = f"cart-{len(self.keys)}"
        self.keys.append(key)
        self.answer()
        self.site.producer.place(order(key))

    def work(self) -> None:
        if self.keys:
            self.answer()
            self.site.breaker_forgets()
            self.site.retrier.run(self.one().id)

    def defer(self) -> None:
        if self.keys:
            self.site.open_circuit()
            self.site.retrier.run(self.one().id)

    def hint(self) -> None:
        if self.keys:
            hint(self.site.database, self.one().id, clock=self.site.clock)

    def person(self) -> None:
        if not self.keys:
            return
        people, found = self.site.people, self.one()
        action = self.random.choice(
            ("retry", "retry", "retry", "not charged", "not charged", "cancel", "paid")
        )
        with suppress(RefusedError):
            if action == "retry":
                people.retry(found.id, KIM)
            elif action == "cancel":
                people.cancel(found.id, KIM)
            elif action == "paid":
                people.resolve_paid(found.id, f"ch_by_kim_{found.id}", KIM)
            else:
                people.resolve_not_charged(found.id, KIM)

    def finish(self) -> None:
        """Every order ends, and everything is counted."""
        for key in self.keys:
            found = self.site.get(key)
            if found.status in OPEN:
                self.site.people.resolve_paid(found.id, f"ch_at_the_end_{found.id}", KIM)
        self.watch()
        self.site.advance(COMMITTED)
        self.read()

    def one(self) -> StoredOrder:
        return self.site.get(self.random.choice(self.keys))

    def answer(self) -> None:
        paid = replace(PAID, charge_id=f"ch_{self.random.getrandbits(64)}")
        gateway = self.site.gateway
        gateway.answers.clear()
        gateway.answers.append(self.random.choice((*[DOWN] * 9, LOST, LOST, DECLINED, paid)))
        gateway.lookups.clear()
        gateway.lookups.extend(self.random.choice((NO_ANSWER, ABSENT)) for _ in range(5))

    def watch(self) -> None:
        for key in self.keys:
            found = self.site.get(key)
            now = found.status, found.settled_at
            if found.status not in OPEN and self.seen.get(key) != now:
                self.ends[found.status.value] += 1
            self.seen[key] = now

    def read(self) -> None:
        found = self.reader.read()
        assert found is not None
        fallen = {key: number for key, number in self.last.items() if found.numbers[key] < number}
        assert not fallen, "counters never fall"
        self.last = found.numbers

    def last_of(self, name: str) -> Counter[str]:
        return Counter({key[1]: number for key, number in self.last.items() if key[0] == name})


def plain_count(site: Site) -> Counter[Key]:
    """What the rows say, at a moment when every order has ended.

    Attempts by who made them: what came of one may be found out after it was counted.
    """
    columns = {"retries": "retry_count", "deferrals": "deferral_count", "look_ups": "look_up_count"}

    def count(connection: Connection) -> Counter[Key]:
        found = connection.execute(
            select(attempts.c.source, func.count().label("number")).group_by(attempts.c.source)
        )
        sums: Counter[Key] = Counter({("attempts", row.source): row.number for row in found})
        sums["accepted",] = connection.execute(select(func.count()).select_from(orders)).scalar_one()
        for name, column in columns.items():
            sums[name,] = connection.execute(select(func.sum(orders.c[column]))).scalar_one()
        return sums

    return site.database.read(count)


@pytest.mark.parametrize("seed", range(3))
def test_whatever_happens_the_counters_never_fall_and_are_a_plain_count_at_the_end(
    site: Site, seed: int
) -> None:
    site.know_a_charge()
    life = Life(site, seed)
    for _ in range(100):
        life.step()
    life.finish()
    expected = plain_count(site)
    expected["accepted",] -= 1  # The charge that is known was before the first count, with its attempt.
    expected["attempts", "producer"] -= 1
    assert comparable(life.last) == +expected
    assert life.last_of("ended") == life.ends
    assert life.last_of("money").total() == 10_000 * life.ends.total()
    assert life.ends.total() > FEW, "chance has made no order end twice"


def comparable(numbers: Counter[Key]) -> Counter[Key]:
    sums: Counter[Key] = Counter()
    for (name, *labels), number in numbers.items():
        if name in {"accepted", "retries", "deferrals", "look_ups", "attempts"}:
            sums[(name, *labels[:1])] += number
    return sums


@pytest.mark.both_databases
def test_a_trigger_that_is_made_again_keeps_each_end_once(site: Site) -> None:
    with site.database.engine.begin() as connection:
        for statement in create_end_trigger(connection.dialect.name):
            connection.exec_driver_sql(statement)
    (order_id,) = dead(site, "cart-1")
    site.people.cancel(order_id, KIM)
    kept = select(earlier_ends.c.order_id, earlier_ends.c.status, earlier_ends.c.attempt_count)
    rows = site.database.read(lambda connection: connection.execute(kept).all())
    assert [tuple(row) for row in rows] == [(order_id, "dead", 1)]


def call(site: Site, key: str, answer: ChargeAnswer, seconds: float) -> None:
    site.gateway.answers.append(answer)
    site.gateway.during = lambda: site.advance(seconds)
    site.producer.place(order(key))


@pytest.mark.both_databases
def test_each_call_is_in_the_bucket_of_its_seconds(site: Site) -> None:
    reader = TotalsReader(site.database, site.clock, monotonic=lambda: 0.0)
    reader.read()
    call(site, "quick", DECLINED, 0.03)
    call(site, "at the bound", DECLINED, 0.25)
    call(site, "long", DECLINED, 60.0)
    site.advance(COMMITTED)
    found = reader.read()
    assert found is not None
    assert found.of("calls") == {("declined", "0.05"): 1, ("declined", "0.25"): 1, ("declined", OVER): 1}
    assert found.of("call_microseconds")["declined",] == pytest.approx(60_280_000, abs=5_000)


def test_a_call_whose_answer_nobody_recorded_has_no_duration(site: Site) -> None:
    reader = TotalsReader(site.database, site.clock, monotonic=lambda: 0.0)
    reader.read()
    call(site, "cart-1", DECLINED, 1.0)
    site.database.write(
        lambda connection: connection.execute(update(attempts).values(settled_by=ResolvedBy.LEASE))
    )
    site.advance(COMMITTED)
    found = reader.read()
    assert found is not None
    assert sum(found.of("attempts").values()) == 1
    assert found.of("calls") == {}
