"""After a restore: every open order is looked up before anything is sent. On both databases."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from unittest import mock

import pytest
from sqlalchemy import select, update

from breakwall.payments.db.schema import ResolvedBy, attempts, orders
from breakwall.payments.decisions import Decision
from breakwall.payments.gateways.base import Outcome
from breakwall.payments.interventions import Action, Author
from breakwall.payments.ledger.batches import Position
from breakwall.payments.ledger.claim import Attempt, Claim
from breakwall.payments.operator import suspect as suspicion
from breakwall.payments.operator.suspect import OPEN, Suspicion, batch_query
from breakwall.payments.orders import OrderStatus
from tests.contract.people import (
    ANNA,
    REFUSED,
    Crash,
    crashing_before_the_commit,
    crowd,
    dead,
    explain,
    in_review,
    interventions_of,
    queued,
)
from tests.contract.site import LEASE, Site, order
from tests.gateway import ABSENT, DECLINED, DOWN, FOUND, KEYED, LOST, PAID, PLAIN

BACKUP = datetime(2026, 1, 1, 12, tzinfo=UTC)
SETTLE_TIME = PLAIN.absent_after


def suspicion_of(site: Site) -> Suspicion:
    return Suspicion(site.database, clock=site.clock, sleep=lambda seconds: None)


def suspect(site: Site, since: datetime = BACKUP, author: Author = ANNA) -> Counter[OrderStatus]:
    done: Counter[OrderStatus] = Counter()
    for batch in suspicion_of(site).run(since, author):
        done.update(batch)
    return done


def claimed(site: Site, key: str = "cart-1") -> Claim:
    claim = site.ledger.claim(queued(site, key)[0])
    assert claim is not None
    return claim


def begun(site: Site) -> Attempt:
    attempt = site.ledger.begin_attempt(claimed(site))
    assert attempt is not None
    return attempt


def suspected(site: Site) -> set[str]:
    wanted = select(orders.c.idempotency_key).where(orders.c.suspected_at.is_not(None))
    return site.database.read(lambda connection: set(connection.scalars(wanted)))


@pytest.fixture(params=[1, 2, 500])
def batch(request: pytest.FixtureRequest) -> Iterator[int]:
    with mock.patch.object(suspicion, "BATCH", request.param):
        yield request.param


class TestEveryOpenOrder:
    def test_is_suspected_whatever_its_state_and_keeps_that(self, site: Site, batch: int) -> None:
        queued(site, "q1", "q2", "q3")
        dead(site, "d")
        in_review(site, "r")
        claimed(site, "f")
        before = {key: site.get(key) for key in ("q1", "q2", "q3", "d", "r", "f")}
        assert suspect(site) == {"queued": 3, "dead": 1, "review": 1, "in_flight": 1}
        for key, was in before.items():
            assert site.get(key) == replace(was, suspected_at=site.clock.now)

    def test_is_suspected_also_where_it_was_accepted_before_the_backup_or_after_it(
        self, site: Site, batch: int
    ) -> None:
        queued(site, "a", "b")
        suspect(site, since=site.get("b").created_at)
        assert suspected(site) == {"a", "b"}

    def test_is_suspected_also_where_many_were_accepted_at_one_moment(self, site: Site, batch: int) -> None:
        site.producer.enqueue([order(f"cart-{number}") for number in range(7)])
        assert suspect(site) == {"queued": 7}

    def test_is_met_also_where_it_goes_from_one_state_to_another_meanwhile(
        self, site: Site, batch: int
    ) -> None:
        """A worker was not stopped first."""
        ids = queued(site, *"abcdefgh")
        for position, _ in enumerate(suspicion_of(site).run(BACKUP, ANNA)):
            for order_id in ids[-1 - position :: -2]:
                claim = site.ledger.claim(order_id)
                if claim is not None and position % 2:
                    site.ledger.release(claim, 0.0)
        assert suspected(site) == set("abcdefgh")

    def test_is_due_when_it_was(self, site: Site) -> None:
        site.open_circuit()
        site.producer.place(order())
        due = site.get().next_attempt_at
        suspect(site)
        assert site.get().next_attempt_at == due

    def test_is_recorded_with_the_reason_and_the_time_of_the_backup(self, site: Site) -> None:
        dead(site)
        suspect(site, since=datetime(2026, 1, 1, 21, tzinfo=timezone(timedelta(hours=9))))
        (done,) = interventions_of(site)
        assert (done.action, done.actor, done.reason) == (Action.SUSPECT, "anna", ANNA.reason)
        assert (done.evidence, done.before, done.after) == (BACKUP.isoformat(), "dead", "dead")
        assert done.run is not None

    def test_is_no_longer_open_once_it_is_finished(self, site: Site) -> None:
        site.know_a_charge("paid")
        queued(site, "cancelled")
        site.people.cancel("cancelled")
        site.gateway.answers.append(DECLINED)
        site.producer.place(order("declined"))
        assert suspect(site) == {}
        assert suspected(site) == set()


class TestCounting:
    def test_counts_what_would_be_suspected_by_state_and_changes_nothing(self, site: Site) -> None:
        queued(site, "a", "b")
        dead(site, "d")
        seen = suspicion_of(site).preview(BACKUP)
        assert (seen.by_state, seen.suspected_before) == ({"queued": 2, "dead": 1}, 0)
        assert suspected(site) == set()

    def test_counts_what_was_suspected_before(self, site: Site) -> None:
        queued(site, "a", "b")
        suspect(site)
        queued(site, "c")
        seen = suspicion_of(site).preview(BACKUP)
        assert (seen.by_state, seen.suspected_before) == ({"queued": 1}, 2)


class TestRunAgain:
    def test_it_suspects_no_order_twice_and_leaves_what_is_proven_since(self, site: Site) -> None:
        site.know_a_charge()
        (order_id,) = queued(site)
        suspect(site)
        site.gateway.answers.append(DOWN)
        site.advance(SETTLE_TIME)
        site.gateway.lookups.append(ABSENT)
        site.retrier.run(order_id)
        assert suspect(site) == {}
        assert len(interventions_of(site)) == 1
        assert suspected(site) == set()

    def test_it_does_the_rest_after_it_was_stopped(self, site: Site) -> None:
        queued(site, *"abcde")
        with mock.patch.object(suspicion, "BATCH", 2):
            next(suspicion_of(site).run(BACKUP, ANNA))
        assert suspected(site) == {"a", "b"}
        assert suspect(site) == {"queued": 3}
        assert [len(interventions_of(site, key)) for key in "abcde"] == [1] * 5

    def test_it_suspects_all_again_for_another_backup(self, site: Site) -> None:
        queued(site)
        suspect(site)
        site.advance(60)
        assert suspect(site, since=BACKUP + timedelta(hours=1)) == {"queued": 1}
        assert site.get().suspected_at == site.clock.now

    def test_a_crash_before_the_commit_undoes_the_record_as_well(self, site: Site) -> None:
        queued(site)
        with crashing_before_the_commit(), pytest.raises(Crash):
            suspect(site)
        assert (suspected(site), interventions_of(site)) == (set(), [])


class TestASuspectedOrder:
    @pytest.fixture(params=[PLAIN, KEYED], ids=["plain", "keyed"])
    def order_id(self, site: Site, request: pytest.FixtureRequest) -> str:
        """It waits, and none of its attempts may have charged."""
        site.gateway.profile = request.param
        site.know_a_charge()
        (order_id,) = queued(site)
        suspect(site)
        return order_id

    def test_is_paid_by_the_charge_that_a_look_up_finds(self, site: Site, order_id: str) -> None:
        site.gateway.lookups.append(FOUND)
        assert site.retrier.run(order_id) is OrderStatus.PAID
        assert (site.gateway.charged, site.get().suspected_at) == ([], None)

    def test_is_sent_only_once_its_absence_is_proven(self, site: Site, order_id: str) -> None:
        site.gateway.lookups.append(ABSENT)
        assert site.retrier.run(order_id) is OrderStatus.QUEUED
        assert site.gateway.charged == []
        site.advance(SETTLE_TIME + 1)
        site.gateway.lookups.append(ABSENT)
        site.gateway.answers.append(PAID)
        assert site.retrier.run(order_id) is OrderStatus.PAID

    def test_goes_to_a_person_where_nothing_can_be_looked_up(self, site: Site, order_id: str) -> None:
        site.gateway.profile = replace(site.gateway.profile, looks_up=False)
        assert site.retrier.run(order_id) is OrderStatus.REVIEW
        assert site.gateway.charged == []

    def test_is_not_cancelled_at_once(self, site: Site, order_id: str) -> None:
        assert site.people.cancel("cart-1").status is OrderStatus.QUEUED
        site.advance(SETTLE_TIME + 1)
        site.gateway.lookups.append(ABSENT)
        assert site.retrier.run(order_id) is OrderStatus.CANCELLED

    def test_is_looked_up_after_a_retry_too(self, site: Site) -> None:
        site.know_a_charge()
        (order_id,) = dead(site)
        suspect(site)
        site.people.retry("cart-1", ANNA)
        site.gateway.lookups.append(FOUND)
        assert site.retrier.run(order_id) is OrderStatus.PAID
        assert site.gateway.charged == []

    def test_is_looked_up_under_the_key_that_a_retry_in_the_lost_time_gave_it(self, site: Site) -> None:
        """Retried, it gets that key again: no process has a claim to a dead order, and its fence stays."""
        site.gateway.profile = replace(PLAIN, looks_up=False)
        site.gateway.answers.append(replace(REFUSED, outcome=Outcome.FAILED))
        order_id = site.producer.place(order()).order_id
        site.database.write(lambda connection: connection.execute(_PROVEN), name="test")
        backup = site.database.read(lambda connection: connection.execute(select(orders)).one())
        key = site.people.retry("cart-1", ANNA).charge_key
        assert key != backup.charge_key
        restored = update(orders).values(dict(zip(orders.c, backup, strict=True)))
        site.database.write(lambda connection: connection.execute(restored), name="test")
        suspect(site)
        assert site.people.retry("cart-1", ANNA).charge_key == key
        site.gateway.profile = PLAIN
        site.gateway.lookups.append(FOUND)
        assert site.retrier.run(order_id) is OrderStatus.PAID
        assert site.gateway.looked_up == [key]


_PROVEN = update(attempts).values(settled_by=ResolvedBy.LOOK_UP)


class TestAClaimFromBefore:
    def test_sends_nothing_any_more(self, site: Site) -> None:
        claim = claimed(site)
        suspect(site)
        assert site.ledger.begin_attempt(claim) is None
        assert site.outcomes() == []

    def test_proves_no_absence_any_more(self, site: Site) -> None:
        claim = claimed(site)
        suspect(site)
        assert site.ledger.prove_absent(claim) is None
        assert suspected(site) == {"cart-1"}

    def test_ends_the_order_only_by_a_payment(self, site: Site) -> None:
        attempt = begun(site)
        suspect(site)
        assert site.ledger.record(attempt, PAID, Decision(OrderStatus.PAID))[0] is OrderStatus.PAID
        assert suspected(site) == set()

    @pytest.mark.parametrize(
        ("answer", "decision"),
        [
            (DECLINED, Decision(OrderStatus.DECLINED)),
            (DOWN, Decision(OrderStatus.DEAD, uncharged=True)),
            (LOST, Decision(OrderStatus.QUEUED)),
        ],
    )
    def test_ends_it_by_no_other_answer(self, site: Site, answer: object, decision: Decision) -> None:
        attempt = begun(site)
        site.people.cancel("cart-1")
        suspect(site)
        status, *_ = site.ledger.record(attempt, answer, decision)  # type: ignore[arg-type]
        assert status is OrderStatus.IN_FLIGHT
        site.advance(LEASE)
        site.dispatch_queue.reclaim_expired()
        site.gateway.lookups.append(FOUND)
        assert site.retrier.run(attempt.claim.order_id) is OrderStatus.PAID

    def test_is_taken_back_when_its_lease_has_run_out_and_then_looked_up(self, site: Site) -> None:
        attempt = begun(site)
        suspect(site)
        site.advance(LEASE)
        assert site.dispatch_queue.reclaim_expired() == [attempt.claim.order_id]
        site.gateway.lookups.append(FOUND)
        assert site.retrier.run(attempt.claim.order_id) is OrderStatus.PAID
        assert site.outcomes() == [Outcome.SUCCEEDED]


class TestAPersonsResolution:
    @pytest.mark.parametrize("status", OPEN)
    def test_pays_a_suspected_order_in_any_state_with_the_charge_that_was_found(
        self, site: Site, status: OrderStatus
    ) -> None:
        make = {"queued": queued, "dead": dead, "review": in_review, "in_flight": claimed}
        make[status](site)
        suspect(site)
        paid = site.people.resolve_paid("cart-1", "ch_7", ANNA)
        assert (paid.status, paid.charge_id, paid.suspected_at) == ("paid", "ch_7", None)

    def test_ends_the_suspicion_of_an_order_in_review(self, site: Site) -> None:
        in_review(site)
        suspect(site)
        site.people.resolve_not_charged("cart-1", ANNA)
        assert suspected(site) == set()


@pytest.mark.both_databases
def test_each_batch_is_read_from_the_index_on_state_and_time(site: Site) -> None:
    site.database.write(crowd, name="test")
    plan = site.database.read(lambda connection: explain(connection, batch_query(Position(BACKUP, "0" * 32))))
    assert plan.count("ix_orders_status_created") == len(OPEN)
    assert "Seq Scan on orders" not in plan
    assert "SCAN orders" not in plan


def test_pauses_for_as_long_as_a_batch_took(site: Site) -> None:
    queued(site, *"abc")
    slept: list[float] = []
    times = iter(range(100))
    suspecting = Suspicion(
        site.database, clock=site.clock, sleep=slept.append, timer=lambda: float(next(times))
    )
    with mock.patch.object(suspicion, "BATCH", 1):
        list(suspecting.run(BACKUP, ANNA))
    assert slept == [1.0, 1.0, 1.0]
