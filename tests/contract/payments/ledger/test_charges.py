"""A charge belongs to one order and pays no other, on SQLite and on PostgreSQL."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from threading import Barrier
from typing import Any

import pytest
from sqlalchemy import delete, event, select

from breakwall.payments.db.database import Database
from breakwall.payments.db.schema import charges, incidents
from breakwall.payments.decisions import Decision
from breakwall.payments.gateways.base import ChargeAnswer, ChargeDetails, ChargeRequest, Outcome
from breakwall.payments.ledger.charges import assign_charge, known_charges
from breakwall.payments.ledger.claim import Attempt
from breakwall.payments.ledger.ledger import Ledger
from breakwall.payments.ledger.record import Recording, register_charge
from breakwall.payments.operator.incidents import count_open
from breakwall.payments.operator.locking import RefusedError
from breakwall.payments.orders import OrderStatus
from breakwall.payments.verification import verified
from tests.contract.people import ANNA, in_review, incident_kinds, interventions_of
from tests.contract.site import LEASE, Site, order
from tests.gateway import DECLINED, FOUND, LOST, PAID

ROUNDS = 30
REQUEST = ChargeRequest("second", "u1", 10_000, "KRW", "cart-1")
SHOWN = Decision(OrderStatus.PAID)


def paid(
    site: Site, key: str = "first", charge_id: str = "ch_1", *, by_previous_version: bool = False
) -> str:
    site.gateway.answers.append(replace(PAID, charge_id=charge_id))
    result = site.producer.place(order(key))
    assert result.status is OrderStatus.PAID
    if by_previous_version:
        as_the_previous_version_leaves_it(site, result.order_id)
    return result.order_id


def lost(site: Site, key: str = "second") -> str:
    site.gateway.answers.append(LOST)
    order_id = site.producer.place(order(key)).order_id
    site.advance(5)
    return order_id


def owner(site: Site, charge_id: str = "ch_1", account: str = "default") -> str | None:
    wanted = select(charges.c.order_id).where(charges.c.account == account, charges.c.charge_id == charge_id)
    return site.database.read(lambda connection: connection.scalar(wanted))


def incidents_of(site: Site) -> list[tuple[str, str, str]]:
    wanted = select(incidents.c.order_id, incidents.c.kind, incidents.c.detail)
    return site.database.read(lambda connection: [tuple(row) for row in connection.execute(wanted)])


def as_the_previous_version_leaves_it(site: Site, order_id: str) -> None:
    """The previous version leaves a paid order without a row in `charges`."""
    site.database.write(
        lambda connection: connection.execute(delete(charges).where(charges.c.order_id == order_id))
    )


def answers(site: Site) -> None:
    site.gateway.answers.append(PAID)
    assert site.producer.place(order("second")).charge_id is None


def answers_late(site: Site) -> None:
    attempt = site.ledger.accept_sending(order("second"))
    assert isinstance(attempt, Attempt)
    site.advance(LEASE)
    site.dispatch_queue.reclaim_expired()
    assert site.ledger.record(attempt, PAID, SHOWN)[0] is OrderStatus.REVIEW


def is_looked_up(site: Site) -> None:
    order_id = lost(site)
    site.gateway.lookups.append(FOUND)
    assert site.retrier.run(order_id) is OrderStatus.REVIEW


WAYS = pytest.mark.parametrize("comes", [answers, answers_late, is_looked_up])
OWNED_BY = pytest.mark.parametrize("by_previous_version", [False, True])


@WAYS
@OWNED_BY
class TestAChargeOfAnotherOrder:
    def test_pays_nothing_and_a_person_has_to_look(
        self, site: Site, comes: Callable[[Site], None], by_previous_version: bool
    ) -> None:
        first = paid(site, by_previous_version=by_previous_version)
        comes(site)
        second = site.get("second")
        assert (second.status, second.charge_id) == (OrderStatus.REVIEW, None)
        assert site.get("first").status is OrderStatus.PAID
        detail = f"the charge ch_1 is the charge of order {first}"
        assert incidents_of(site) == [(second.id, "wrong_charge", detail)]
        assert site.database.read(count_open) == 1
        assert owner(site) in {first, None if by_previous_version else first}

    def test_only_a_person_can_end_the_review(
        self, site: Site, comes: Callable[[Site], None], by_previous_version: bool
    ) -> None:
        first = paid(site, by_previous_version=by_previous_version)
        comes(site)
        with pytest.raises(RefusedError, match="resolve"):
            site.people.retry("second", ANNA)
        with pytest.raises(RefusedError, match=f"belongs to order {first}"):
            site.people.resolve_paid("second", "ch_1", ANNA)
        before = site.get("second").charge_key
        assert site.people.resolve_not_charged("second", ANNA).status is OrderStatus.DEAD
        assert site.get("second").charge_key != before

    def test_that_is_reported_again_is_one_incident(
        self, site: Site, comes: Callable[[Site], None], by_previous_version: bool
    ) -> None:
        paid(site, by_previous_version=by_previous_version)
        comes(site)
        site.retrier.run(site.get("second").id)
        assert len(incidents_of(site)) == 1


class TestAPersonsResolution:
    def test_makes_a_charge_the_orders_own(self, site: Site) -> None:
        first = in_review(site, "first")
        site.people.resolve_paid("first", "ch_1", ANNA)
        assert owner(site) == first
        answers(site)
        assert site.get("second").status is OrderStatus.REVIEW

    @OWNED_BY
    def test_on_the_charge_of_another_is_refused_and_nothing_of_it_is_kept(
        self, site: Site, by_previous_version: bool
    ) -> None:
        first = paid(site, by_previous_version=by_previous_version)
        in_review(site, "second")
        before = site.get("second")
        with pytest.raises(RefusedError, match=f"ch_1 belongs to order {first}"):
            site.people.resolve_paid("second", "ch_1", ANNA)
        assert (site.get("second"), interventions_of(site, "second")) == (before, [])
        assert owner(site) == (None if by_previous_version else first)

    def test_that_is_refused_for_the_orders_state_takes_no_charge_either(self, site: Site) -> None:
        paid(site)
        with pytest.raises(RefusedError, match="paid"):
            site.people.resolve_paid("first", "ch_2", ANNA)
        assert owner(site, "ch_2") is None

    def test_on_the_charge_that_was_rejected_for_its_amount_is_accepted(self, site: Site) -> None:
        site.gateway.answers.append(replace(PAID, details=ChargeDetails(amount=1)))
        site.producer.place(order("first"))
        assert site.get("first").status is OrderStatus.REVIEW
        assert owner(site) is None
        site.people.resolve_paid("first", "ch_1", ANNA)
        assert site.get("first").status is OrderStatus.PAID

    def test_is_no_charge_to_test_a_look_up_with(self, site: Site) -> None:
        """The service itself has not told of it."""
        in_review(site, "first")
        site.people.resolve_paid("first", "ch_1", ANNA)
        site.advance(60)
        assert known_charges(site.database, site.clock, "default", "32a", older_than=0.0) == []


class TestACharge:
    def test_is_the_orders_own_however_often_it_is_reported(self, site: Site) -> None:
        attempt = site.ledger.accept_sending(order("first"))
        assert isinstance(attempt, Attempt)
        for _ in range(3):
            assert site.ledger.record(attempt, PAID, SHOWN)[0] is OrderStatus.PAID
        assert incidents_of(site) == []

    def test_of_an_order_that_a_version_before_has_paid_is_its_own_too(self, site: Site) -> None:
        attempt = site.ledger.accept_sending(order("first"))
        assert isinstance(attempt, Attempt)
        site.ledger.record(attempt, PAID, SHOWN)
        as_the_previous_version_leaves_it(site, attempt.claim.order_id)
        site.ledger.record(attempt, PAID, SHOWN)
        assert incidents_of(site) == []
        assert owner(site) == attempt.claim.order_id

    def test_that_is_an_orders_second_one_pays_no_other_order_either(self, site: Site) -> None:
        attempt = site.ledger.accept_sending(order("first"))
        assert isinstance(attempt, Attempt)
        site.ledger.record(attempt, replace(PAID, charge_id="ch_0"), SHOWN)
        site.ledger.record(attempt, PAID, SHOWN)
        assert incident_kinds(site) == ["two_charges"]
        assert {owner(site, "ch_0"), owner(site, "ch_1")} == {attempt.claim.order_id}
        answers(site)
        assert site.get("second").status is OrderStatus.REVIEW

    def test_that_is_said_to_be_another_orders_has_no_owner_until_that_order_reports_it(
        self, site: Site
    ) -> None:
        site.gateway.answers.append(replace(PAID, details=ChargeDetails(order_id="another")))
        site.producer.place(order("first"))
        assert (site.get("first").status, owner(site)) == (OrderStatus.REVIEW, None)
        second = paid(site, "second")
        assert owner(site) == second

    def test_of_a_declined_order_has_no_owner(self, site: Site) -> None:
        site.gateway.answers.append(replace(DECLINED, charge_id="ch_1"))
        site.producer.place(order("first"))
        assert owner(site) is None

    def test_is_kept_with_the_key_that_the_service_knows_it_by(self, site: Site) -> None:
        paid(site)
        site.advance(30)
        (known,) = known_charges(site.database, site.clock, "default", "32a", older_than=30.0)
        assert (known.key, known.charge_id) == (site.get("first").charge_key, "ch_1")
        assert known_charges(site.database, site.clock, "default", "32a", older_than=30.1) == []
        assert known_charges(site.database, site.clock, "default", "10a", older_than=0.0) == []
        assert known_charges(site.database, site.clock, "other", "32a", older_than=0.0) == []

    def test_that_is_known_is_one_of_the_newest_three_of_its_shape_older_than_the_settle_time(
        self, site: Site
    ) -> None:
        for number in range(6):
            paid(site, f"cart-{number}", f"ch_{number}")
            site.advance(20)
        known = known_charges(site.database, site.clock, "default", "32a", older_than=30.0)
        assert [charge.charge_id for charge in known] == ["ch_4", "ch_3", "ch_2"]


class TestAnotherAccount:
    """A payment service numbers the charges of each account for itself."""

    @pytest.fixture
    def abroad(self, site: Site) -> Ledger:
        return Ledger(site.database, lease=LEASE, clock=site.clock, account="abroad")

    @OWNED_BY
    def test_has_ids_of_its_own(self, site: Site, abroad: Ledger, by_previous_version: bool) -> None:
        paid(site, by_previous_version=by_previous_version)
        attempt = abroad.accept_sending(order("second"))
        assert isinstance(attempt, Attempt)
        assert abroad.record(attempt, PAID, SHOWN)[0] is OrderStatus.PAID
        assert owner(site, account="abroad") == attempt.claim.order_id

    def test_owns_nothing_in_the_first_one(self, site: Site, abroad: Ledger) -> None:
        attempt = abroad.accept_sending(order("first"))
        assert isinstance(attempt, Attempt)
        abroad.record(attempt, PAID, SHOWN)
        assert paid(site, "second") == owner(site)
        assert incidents_of(site) == []

    def test_keeps_a_charge_to_one_order_as_the_first_one_does(self, site: Site, abroad: Ledger) -> None:
        for key, status in (("first", OrderStatus.PAID), ("second", OrderStatus.REVIEW)):
            attempt = abroad.accept_sending(order(key))
            assert isinstance(attempt, Attempt)
            assert abroad.record(attempt, PAID, SHOWN)[0] is status


def together(*works: Callable[[], Any]) -> list[Any]:
    """Runs each in a thread, all started at the same moment."""
    start = Barrier(len(works))

    def begin(work: Callable[[], Any]) -> Any:
        start.wait(60)
        return work()

    with ThreadPoolExecutor(len(works)) as threads:
        return [result.result(60) for result in [threads.submit(begin, work) for work in works]]


def sent(site: Site, key: str) -> Attempt:
    attempt = site.ledger.accept_sending(order(key))
    assert isinstance(attempt, Attempt)
    return attempt


class TestTwoAtOnce:
    def test_of_two_orders_with_one_charge_one_is_paid(self, site: Site) -> None:
        for number in range(ROUNDS):
            answer = replace(PAID, charge_id=f"ch_{number}")
            first, second = sent(site, f"a-{number}"), sent(site, f"b-{number}")
            states = together(
                lambda first=first, answer=answer: site.ledger.record(first, answer, SHOWN)[0],
                lambda second=second, answer=answer: site.ledger.record(second, answer, SHOWN)[0],
            )
            assert sorted(states) == [OrderStatus.PAID, OrderStatus.REVIEW]
        assert incident_kinds(site) == ["wrong_charge"] * ROUNDS

    def test_the_second_waits_for_the_first_ones_commit(self, site: Site) -> None:
        """Both transactions are open: a query before the insert would have found no owner."""
        first, second = sent(site, "first").claim.order_id, sent(site, "second").claim.order_id
        other = Database(site.database.engine.url.render_as_string(hide_password=False))

        def take(database: Database, order_id: str) -> str | None:
            return database.write(
                lambda connection: assign_charge(connection, site.clock, "default", "ch_1", order_id, None)
            )

        with ThreadPoolExecutor(1) as threads:

            def work(connection: Any) -> Any:
                assert assign_charge(connection, site.clock, "default", "ch_1", first, None) is None
                waiting = threads.submit(take, other, second)
                with pytest.raises(TimeoutError):
                    waiting.result(0.3)
                return waiting

            assert site.database.write(work).result(60) == first
        other.close()

    def test_of_an_answer_and_a_persons_resolution_one_counts(self, site: Site) -> None:

        def resolve(key: str, charge_id: str) -> OrderStatus:
            try:
                return site.people.resolve_paid(key, charge_id, ANNA).status
            except RefusedError:
                return site.get(key).status

        for number in range(ROUNDS):
            charge_id = f"ch_{number}"
            first = sent(site, f"a-{number}")
            in_review(site, f"b-{number}")
            states = together(
                lambda first=first, charge_id=charge_id: site.ledger.record(
                    first, replace(PAID, charge_id=charge_id), SHOWN
                )[0],
                lambda number=number, charge_id=charge_id: resolve(f"b-{number}", charge_id),
            )
            assert sorted(states) == [OrderStatus.PAID, OrderStatus.REVIEW]

    def test_two_charges_of_one_order_are_both_recorded_and_no_deadlock_is_seen(self, site: Site) -> None:
        """Each assigns its charge, and then locks the order."""

        def record(attempt: Attempt, charge_id: str) -> OrderStatus:
            return site.ledger.record(attempt, replace(PAID, charge_id=charge_id), SHOWN)[0]

        for number in range(ROUNDS):
            attempt = sent(site, f"a-{number}")
            states = together(*(partial(record, attempt, f"ch_{number}_{which}") for which in range(2)))
            assert states == [OrderStatus.PAID, OrderStatus.PAID]
        assert incident_kinds(site) == ["two_charges"] * ROUNDS


class TestTwoOpenTransactions:
    """On PostgreSQL, where two may be open at once: each waits at a point until the other has reached it."""

    @pytest.fixture
    def site(self, postgres_url: str) -> Iterator[Site]:
        site = Site(postgres_url)
        yield site
        site.producer.close()

    @staticmethod
    def meet(monkeypatch: pytest.MonkeyPatch, *, before: bool) -> None:
        """Have both meet just before or just after they assign their charge; only the first time, not in a retry."""
        meeting = Barrier(2)
        met = threading.local()
        at_once = Recording._pay_at_once

        def begun(*args: Any, **options: Any) -> bool:
            meeting.wait(60)
            return at_once(*args, **options)

        def stopped(*args: Any) -> Any:
            verified = register_charge(*args)
            if not getattr(met, "already", False):
                met.already = True
                meeting.wait(60)
            return verified

        if before:
            monkeypatch.setattr(Recording, "_pay_at_once", begun)
        else:
            monkeypatch.setattr("breakwall.payments.ledger.record.register_charge", stopped)

    def test_with_one_charge_pay_one_order(self, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
        self.meet(monkeypatch, before=True)
        for number in range(ROUNDS):
            charge = replace(PAID, charge_id=f"ch_{number}")
            both = [sent(site, f"{name}-{number}") for name in "ab"]
            recorded = together(*(partial(site.ledger.record, attempt, charge, SHOWN) for attempt in both))
            assert sorted(status for status, *_ in recorded) == [OrderStatus.PAID, OrderStatus.REVIEW]
        assert incident_kinds(site) == ["wrong_charge"] * ROUNDS

    def test_that_hold_on_to_one_order_with_two_charges_do_not_wait_for_each_other(
        self, site: Site, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        deadlocks = []
        event.listen(
            site.database.engine, "handle_error", lambda context: deadlocks.append(context.original_exception)
        )
        for number in range(3):
            self.meet(monkeypatch, before=False)
            attempt = sent(site, f"a-{number}")
            site.advance(LEASE)
            site.dispatch_queue.reclaim_expired()
            charges = [replace(PAID, charge_id=f"ch_{number}_{which}") for which in range(2)]
            recorded = together(*(partial(site.ledger.record, attempt, charge, SHOWN) for charge in charges))
            assert [status for status, *_ in recorded] == [OrderStatus.PAID, OrderStatus.PAID]
        assert incident_kinds(site) == ["two_charges"] * 3
        assert deadlocks == []


class TestALateAnswerThatIsNotAccepted:
    """It tells of a charge. An earlier look-up that found none proves less."""

    def late(self, site: Site, answer: ChargeAnswer) -> str:
        site.know_a_charge()
        attempt = site.ledger.accept_sending(order("second"))
        assert isinstance(attempt, Attempt)
        site.advance(LEASE)
        site.dispatch_queue.reclaim_expired()
        site.advance(31)
        claim = site.ledger.claim(attempt.claim.order_id)
        assert claim is not None
        proven = site.ledger.prove_absent(claim)
        assert proven is not None
        site.ledger.release(proven, 0.0)
        site.ledger.record(attempt, answer, Decision(OrderStatus.REVIEW))
        return attempt.claim.order_id

    @pytest.mark.parametrize("details", [ChargeDetails(amount=1), ChargeDetails(order_id="another")])
    def test_for_what_it_names_keeps_the_order_from_being_sent_again(
        self, site: Site, details: ChargeDetails
    ) -> None:
        order_id = self.late(site, verified(replace(PAID, details=details), REQUEST))
        assert site.get("second").status is OrderStatus.REVIEW
        assert site.retrier.run(order_id) is None
        assert site.gateway.charged == []

    def test_for_being_another_orders_keeps_the_order_from_being_sent_again(self, site: Site) -> None:
        order_id = self.late(site, replace(PAID, charge_id="ch_of_paid-before"))
        assert site.get("second").status is OrderStatus.REVIEW
        assert site.retrier.run(order_id) is None
        assert site.gateway.charged == []

    def test_stops_the_next_claim_before_it_sends(self, site: Site) -> None:
        site.know_a_charge()
        late = sent(site, "second")
        site.advance(LEASE)
        site.dispatch_queue.reclaim_expired()
        claim = site.ledger.claim(late.claim.order_id)
        assert claim is not None
        proven = site.ledger.prove_absent(claim)
        assert proven is not None
        wrong = verified(replace(PAID, details=ChargeDetails(amount=1)), REQUEST)
        site.ledger.record(late, wrong, Decision(OrderStatus.REVIEW))
        assert site.ledger.begin_attempt(proven) is None

    def test_changes_nothing_about_an_order_that_is_paid(self, site: Site) -> None:
        attempt = sent(site, "first")
        site.ledger.record(attempt, PAID, SHOWN)
        wrong = verified(replace(PAID, charge_id="ch_2", details=ChargeDetails(amount=1)), REQUEST)
        assert site.ledger.record(attempt, wrong, Decision(OrderStatus.REVIEW))[0] is OrderStatus.PAID
        assert (site.outcomes("first"), site.get("first").charge_id) == ([Outcome.SUCCEEDED], "ch_1")
        assert incident_kinds(site) == ["wrong_charge"]


def test_a_charge_that_was_not_accepted_is_none_to_test_a_look_up_with(site: Site) -> None:
    """It would not be found under the key of that answer, and every look-up would fail its test."""
    site.gateway.answers.append(replace(PAID, details=ChargeDetails(amount=1)))
    site.producer.place(order("first"))
    site.advance(60)
    assert known_charges(site.database, site.clock, "default", "32a", older_than=0.0) == []
