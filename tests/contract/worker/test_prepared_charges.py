"""Charges that are prepared first: their id is committed before they are confirmed, and nothing is charged before."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from sqlalchemy import select

from breakwall.breaker import CircuitState
from breakwall.cli.orders.history_tables import attempts_of
from breakwall.payments.charging import ONLY_PREPARED
from breakwall.payments.db.schema import attempts
from breakwall.payments.gateways.base import Advice, ChargeAnswer, Health, LookupAnswer, LookupResult, Outcome
from breakwall.payments.keys import derive_charge_key
from breakwall.payments.ledger.queries import list_attempts
from breakwall.payments.orders import OrderStatus
from tests.contract.people import ANNA
from tests.contract.site import LEASE, Site, order
from tests.gateway import (
    ABSENT,
    CANCELLED,
    DECLINED,
    FOUND,
    LOST,
    PAID,
    PREPARING,
    UNCONFIRMED,
    PreparingScriptedGateway,
)

SETTLE_TIME = PREPARING.absent_after
BROKEN = ChargeAnswer(Outcome.UNKNOWN, Health.FAILURE, code="ReadTimeout", spends_key=True)


class Crash(BaseException):
    """The process dies."""


def crash() -> None:
    raise Crash


@pytest.fixture
def gateway() -> PreparingScriptedGateway:
    return PreparingScriptedGateway()


@pytest.fixture
def site(migrated_url: str, gateway: PreparingScriptedGateway) -> Iterator[Site]:
    site = Site(migrated_url, gateway)
    yield site
    site.producer.close()


def queued(site: Site) -> str:
    return site.producer.enqueue([order()])[0].order_id


def prepared_ids(site: Site) -> list[str | None]:
    return [one.prepared for one in list_attempts(site.database, site.get().id)]


def lost(site: Site) -> str:
    """An order whose first charge was confirmed without an answer, due again now."""
    order_id = queued(site)
    site.gateway.answers.append(LOST)
    assert site.retrier.run(order_id) is OrderStatus.QUEUED
    site.advance(5.0)
    return order_id


def placed(site: Site) -> None:
    site.producer.place(order())


def retried(site: Site) -> None:
    site.retrier.run(queued(site))


def drained(site: Site) -> None:
    (attempt,) = site.ledger.exchange([], [queued(site)], max_attempts=3, prepares=True).attempts
    site.charger.send(attempt, site.breaker.acquire(), deadline=float("inf"))


WAYS = pytest.mark.parametrize("way", [placed, retried, drained])


def shown_outcome(site: Site) -> str:
    """What a person is shown of the newest attempt of the order."""
    stored = site.get()
    section = attempts_of(stored, list_attempts(site.database, stored.id), narrow=True)
    return section.columns["outcome"][-1]


class TestACharge:
    @WAYS
    def test_is_confirmed_after_its_id_is_committed(self, site: Site, way: object) -> None:
        seen: list[str | None] = []
        site.gateway.during = lambda: seen.extend(prepared_ids(site))
        site.gateway.answers.append(PAID)
        way(site)  # type: ignore[operator]
        (request,) = site.gateway.charged
        assert seen == [request.prepared] == [f"pi_{request.idempotency_key}"]
        assert site.get().status is OrderStatus.PAID

    @WAYS
    def test_that_is_not_confirmed_yet_is_known_to_have_charged_nothing(
        self, site: Site, way: object
    ) -> None:
        gateway, seen = site.gateway, []
        assert isinstance(gateway, PreparingScriptedGateway)
        gateway.between = lambda: seen.extend([*site.outcomes(), shown_outcome(site)])
        gateway.answers.append(PAID)
        way(site)  # type: ignore[operator]
        assert seen == [Outcome.NOT_SENT, "running"]

    def test_that_is_paid_has_one_attempt_with_the_payments_outcome(self, site: Site) -> None:
        site.gateway.answers.append(PAID)
        site.producer.place(order())
        (attempt,) = list_attempts(site.database, site.get().id)
        assert (attempt.outcome, attempt.code, attempt.charge_id) == (Outcome.SUCCEEDED, None, "ch_1")

    def test_that_is_declined_while_it_is_prepared_declines_the_order(
        self, site: Site, gateway: PreparingScriptedGateway
    ) -> None:
        gateway.preparations.append(DECLINED)
        assert site.producer.place(order()).status is OrderStatus.DECLINED
        assert gateway.charged == []


class TestAPreparationWithoutAnAnswer:
    def test_has_charged_nothing_and_the_order_is_sent_again_without_a_look_up(
        self, site: Site, gateway: PreparingScriptedGateway
    ) -> None:
        gateway.preparations.append(LOST)
        order_id = queued(site)
        assert site.retrier.run(order_id) is OrderStatus.QUEUED
        assert site.outcomes() == [Outcome.FAILED]
        assert str(site.get().last_error).endswith(ONLY_PREPARED)
        site.advance(5.0)
        gateway.answers.append(PAID)
        assert site.retrier.run(order_id) is OrderStatus.PAID
        assert gateway.looked_up == []

    def test_is_repeated_under_the_same_key(self, site: Site, gateway: PreparingScriptedGateway) -> None:
        gateway.preparations.append(LOST)
        order_id = queued(site)
        site.retrier.run(order_id)
        site.advance(5.0)
        gateway.answers.append(PAID)
        site.retrier.run(order_id)
        assert gateway.prepared[0] == gateway.prepared[1]

    def test_that_the_service_has_stored_is_repeated_under_another_key(
        self, site: Site, gateway: PreparingScriptedGateway
    ) -> None:
        """It may not have stored the first one. That it repeats it shows that it has."""
        gateway.preparations.extend([BROKEN, replace(BROKEN, replayed=True)])
        order_id = queued(site)
        for _ in range(2):
            site.retrier.run(order_id)
            site.advance(5.0)
        gateway.answers.append(PAID)
        assert site.retrier.run(order_id) is OrderStatus.PAID
        first = derive_charge_key(order_id)
        assert [one.idempotency_key for one in gateway.prepared] == [
            first,
            first,
            derive_charge_key(order_id, 1),
        ]

    def test_is_repeated_under_the_key_with_which_a_lost_database_may_have_charged(
        self, site: Site, gateway: PreparingScriptedGateway
    ) -> None:
        """The order was charged after the backup, and is placed again after the restore. The service fails once."""
        gateway.preparations.extend([BROKEN, BROKEN, BROKEN])
        order_id = queued(site)
        for _ in range(4):
            site.retrier.run(order_id)
            site.advance(60.0)
        assert {one.idempotency_key for one in gateway.prepared} == {derive_charge_key(order_id)}

    def test_that_is_an_old_refusal_is_repeated_under_another_key_at_once(
        self, site: Site, gateway: PreparingScriptedGateway
    ) -> None:
        """A person has retried the order after the cause was corrected; the key still has the old answer."""
        refused = replace(BROKEN, advice=Advice.STOP)
        gateway.preparations.extend([refused, replace(refused, replayed=True)])
        order_id = queued(site)
        assert site.retrier.run(order_id) is OrderStatus.DEAD
        site.people.retry("cart-1", ANNA)
        assert site.retrier.run(order_id) is OrderStatus.QUEUED
        site.advance(5.0)
        gateway.answers.append(PAID)
        assert site.retrier.run(order_id) is OrderStatus.PAID

    def test_that_repeats_a_stored_failure_says_nothing_about_the_service_now(
        self, site: Site, gateway: PreparingScriptedGateway
    ) -> None:
        """Else the order with the old failure would open the circuit of a service that is well again."""
        failed = replace(BROKEN, code="http_500")
        gateway.preparations.extend([failed, failed, failed])
        order_ids = [one.order_id for one in site.producer.enqueue([order(f"cart-{n}") for n in range(3)])]
        for order_id in order_ids:
            site.retrier.run(order_id)
        assert site.breaker.status().state is CircuitState.OPEN
        gateway.preparations.append(replace(failed, replayed=True))
        gateway.answers.extend([PAID, replace(PAID, charge_id="ch_2")])
        site.advance(31.0)
        for order_id in order_ids:
            site.retrier.run(order_id)
        assert site.breaker.status().state is not CircuitState.OPEN

    def test_is_retried_by_a_person_under_the_key_that_it_has_now(
        self, site: Site, gateway: PreparingScriptedGateway
    ) -> None:
        """A lost database may have charged under that key, after the first one had stored a failure."""
        gateway.profile = replace(PREPARING, looks_up=True)
        gateway.preparations.extend([BROKEN, replace(BROKEN, replayed=True)])
        order_id = queued(site)
        for _ in range(2):
            site.retrier.run(order_id)
            site.advance(5.0)
        site.people.retry("cart-1", ANNA)
        gateway.answers.append(PAID)
        site.retrier.run(order_id)
        assert gateway.prepared[-1].idempotency_key == derive_charge_key(order_id, 1)

    def test_says_succeeded_is_not_believed(self, site: Site, gateway: PreparingScriptedGateway) -> None:
        gateway.preparations.append(PAID)
        assert site.producer.place(order()).status is OrderStatus.REVIEW

    def test_because_the_process_died_has_charged_nothing(
        self, site: Site, gateway: PreparingScriptedGateway
    ) -> None:
        order_id = queued(site)
        gateway.between = crash
        with pytest.raises(Crash):
            site.retrier.run(order_id)
        gateway.between = lambda: None
        site.advance(LEASE)
        site.dispatch_queue.reclaim_expired()
        gateway.answers.append(PAID)
        assert site.retrier.run(order_id) is OrderStatus.PAID
        assert (site.outcomes(), gateway.looked_up) == ([Outcome.NOT_SENT, Outcome.SUCCEEDED], [])


class TestAPreparedChargeIsNotConfirmed:
    def test_if_a_person_wants_the_order_cancelled_meanwhile(
        self, site: Site, gateway: PreparingScriptedGateway
    ) -> None:
        order_id = queued(site)
        gateway.between = lambda: site.people.cancel(order_id)
        assert site.retrier.run(order_id) is OrderStatus.CANCELLED
        assert gateway.charged == []

    def test_if_another_process_has_the_order_meanwhile(
        self, site: Site, gateway: PreparingScriptedGateway
    ) -> None:
        order_id = queued(site)

        def lose_the_claim() -> None:
            site.advance(LEASE)
            site.dispatch_queue.reclaim_expired()
            assert site.ledger.claim(order_id) is not None

        gateway.between = lose_the_claim
        site.retrier.run(order_id)
        assert (gateway.charged, site.outcomes()) == ([], [Outcome.NOT_SENT])

    def test_on_its_last_attempt_and_the_next_claim_says_how_the_order_ends(
        self, site: Site, gateway: PreparingScriptedGateway
    ) -> None:
        order_id = site.producer.enqueue([replace(order(), charge_before=500.0)])[0].order_id
        gateway.preparations.extend([LOST, LOST])
        for _ in range(2):
            site.retrier.run(order_id)
            site.advance(60.0)
        gateway.between = lambda: site.advance(500.0)
        assert site.retrier.run(order_id) is OrderStatus.QUEUED
        assert site.retrier.run(order_id) is OrderStatus.CANCELLED
        assert site.get().reason == "expired"

    def test_if_the_last_moment_passes_meanwhile(self, site: Site, gateway: PreparingScriptedGateway) -> None:
        order_id = site.producer.enqueue([replace(order(), charge_before=5.0)])[0].order_id
        gateway.between = lambda: site.advance(5.0)
        site.retrier.run(order_id)
        assert (gateway.charged, site.expiring.expire()) == ([], [order_id])


class TestAConfirmationWithoutAnAnswer:
    def test_is_looked_up_by_the_charges_id(self, site: Site, gateway: PreparingScriptedGateway) -> None:
        order_id = lost(site)
        gateway.lookups.append(FOUND)
        assert site.retrier.run(order_id) is OrderStatus.PAID
        assert gateway.looked_up == [f"pi_{derive_charge_key(order_id)}"]

    def test_is_looked_up_although_no_other_charge_is_known(
        self, site: Site, gateway: PreparingScriptedGateway
    ) -> None:
        order_id = lost(site)
        site.advance(SETTLE_TIME)
        gateway.lookups.append(UNCONFIRMED)
        gateway.answers.append(PAID)
        assert site.retrier.run(order_id) is OrderStatus.PAID

    def test_is_not_believed_to_have_charged_nothing_before_the_settle_time(
        self, site: Site, gateway: PreparingScriptedGateway
    ) -> None:
        order_id = lost(site)
        gateway.lookups.append(UNCONFIRMED)
        assert site.retrier.run(order_id) is OrderStatus.QUEUED
        assert (len(gateway.charged), site.outcomes()) == (1, [Outcome.UNKNOWN])

    def test_is_repeated_for_the_same_charge_if_it_was_not_confirmed(
        self, site: Site, gateway: PreparingScriptedGateway
    ) -> None:
        order_id = lost(site)
        site.advance(SETTLE_TIME)
        gateway.lookups.append(UNCONFIRMED)
        gateway.answers.append(PAID)
        site.retrier.run(order_id)
        assert (len(gateway.prepared), gateway.charged[0]) == (1, gateway.charged[1])

    def test_gets_another_charge_under_another_key_if_this_one_was_cancelled(
        self, site: Site, gateway: PreparingScriptedGateway
    ) -> None:
        order_id = lost(site)
        gateway.lookups.append(CANCELLED)
        gateway.answers.append(PAID)
        assert site.retrier.run(order_id) is OrderStatus.PAID
        assert gateway.charged[1].prepared == f"pi_{derive_charge_key(order_id, 1)}"

    def test_proves_nothing_if_the_service_does_not_know_the_id(
        self, site: Site, gateway: PreparingScriptedGateway
    ) -> None:
        """It exists: such an answer comes from another account, or from something in between."""
        order_id = lost(site)
        site.advance(SETTLE_TIME)
        gateway.lookups.append(ABSENT)
        assert site.retrier.run(order_id) is OrderStatus.QUEUED
        assert (len(gateway.charged), site.outcomes()) == (1, [Outcome.UNKNOWN])

    def test_is_looked_up_while_the_service_says_that_it_is_still_running(
        self, site: Site, gateway: PreparingScriptedGateway
    ) -> None:
        gateway.profile = replace(PREPARING, deduplicates=True, key_life=86_400.0)
        running = ChargeAnswer(Outcome.UNKNOWN, Health.SUCCESS, advice=Advice.LOOK_AGAIN)
        order_id = queued(site)
        gateway.answers.append(running)
        site.retrier.run(order_id)
        site.advance(5.0)
        gateway.lookups.append(FOUND)
        assert site.retrier.run(order_id) is OrderStatus.PAID
        assert len(gateway.charged) == 1

    def test_is_cancelled_before_another_charge_is_prepared_or_the_order_ends(
        self, site: Site, gateway: PreparingScriptedGateway
    ) -> None:
        """A confirmation that is on its way would charge what is left behind."""
        gateway.profile = replace(PREPARING, cancels=True)
        order_id = queued(site)
        gateway.answers.append(BROKEN)
        site.retrier.run(order_id)
        site.advance(SETTLE_TIME + 5.0)
        gateway.lookups.append(UNCONFIRMED)
        gateway.cancels.append(CANCELLED)
        gateway.answers.append(PAID)
        assert site.retrier.run(order_id) is OrderStatus.PAID
        assert [one.prepared for one in gateway.cancelled] == [f"pi_{derive_charge_key(order_id)}"]
        assert gateway.charged[1].prepared == f"pi_{derive_charge_key(order_id, 1)}"

    def test_is_repeated_without_a_look_up_where_keys_protect(
        self, site: Site, gateway: PreparingScriptedGateway
    ) -> None:
        gateway.profile = replace(PREPARING, deduplicates=True, key_life=86_400.0)
        order_id = lost(site)
        gateway.answers.append(PAID)
        assert site.retrier.run(order_id) is OrderStatus.PAID
        assert (len(gateway.prepared), gateway.charged[0]) == (1, gateway.charged[1])

    def test_is_unknown_after_a_crash(self, site: Site, gateway: PreparingScriptedGateway) -> None:
        order_id = queued(site)
        gateway.during = crash
        with pytest.raises(Crash):
            site.retrier.run(order_id)
        site.advance(LEASE)
        site.dispatch_queue.reclaim_expired()
        assert site.outcomes() == [Outcome.UNKNOWN]
        gateway.lookups.append(FOUND)
        assert site.retrier.run(order_id) is OrderStatus.PAID

    def test_that_was_refused_is_looked_up_at_once(
        self, site: Site, gateway: PreparingScriptedGateway
    ) -> None:
        refused = ChargeAnswer(Outcome.UNKNOWN, Health.SUCCESS, code="http_400", advice=Advice.STOP)
        order_id = queued(site)
        gateway.answers.append(refused)
        assert site.retrier.run(order_id) is OrderStatus.QUEUED
        gateway.lookups.append(replace(FOUND))
        assert site.retrier.run(order_id) is OrderStatus.PAID

    def test_needs_a_person_when_the_look_ups_are_used_up(
        self, site: Site, gateway: PreparingScriptedGateway
    ) -> None:
        order_id = lost(site)
        gateway.lookups.extend([LookupAnswer(LookupResult.UNAVAILABLE, Health.FAILURE)] * 3)
        while site.get().status is OrderStatus.QUEUED:
            site.retrier.run(order_id)
            site.advance(60.0)
        assert (site.get().status, len(gateway.looked_up)) == (OrderStatus.REVIEW, 3)


class TestTheDrain:
    def test_undoes_an_attempt_that_was_not_prepared(self, site: Site) -> None:
        order_id = queued(site)
        (attempt,) = site.ledger.exchange([], [order_id], max_attempts=3, prepares=True).attempts
        site.ledger.undo_attempts([attempt], 0.0, deferred=False)
        rows = site.database.read(lambda connection: connection.scalars(select(attempts.c.number)).all())
        assert (rows, site.get().retry_count) == ([], 0)

    def test_leaves_an_order_with_a_prepared_charge_to_the_single_way(
        self, site: Site, gateway: PreparingScriptedGateway
    ) -> None:
        order_id = queued(site)
        gateway.answers.append(ChargeAnswer(Outcome.THROTTLED, Health.THROTTLED))
        site.retrier.run(order_id)
        site.advance(60.0)
        done = site.ledger.exchange([], [order_id], max_attempts=3, prepares=True)
        assert (done.attempts, done.others) == ([], [order_id])
        gateway.answers.append(PAID)
        site.retrier.run(order_id)
        assert (len(gateway.prepared), gateway.charged[0]) == (1, gateway.charged[1])
