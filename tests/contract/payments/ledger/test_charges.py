"""A charge is one order's, on SQLite and on PostgreSQL: no other order is ever paid by it."""

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
from breakwall.payments.decisions import Verdict
from breakwall.payments.gateways.base import Answer, ChargeDetails, ChargeRequest, Outcome
from breakwall.payments.ledger.charges import known_charges, take_charge
from breakwall.payments.ledger.claims import Attempt
from breakwall.payments.ledger.ledger import Ledger
from breakwall.payments.ledger.record_result import own_charge
from breakwall.payments.operator.incidents import count_open
from breakwall.payments.operator.resolve import Resolution
from breakwall.payments.operator.retry_and_cancel import RefusedError
from breakwall.payments.orders import OrderStatus
from breakwall.payments.verification import checked
from tests.contract.people import ANNA, in_review, incident_kinds, noted
from tests.contract.site import LEASE, Site, order
from tests.gateway import DECLINED, FOUND, LOST, PAID

ROUNDS = 30
REQUEST = ChargeRequest("second", "u1", 10_000, "KRW", "cart-1")
SHOWN = Verdict(OrderStatus.PAID)


def paid(site: Site, key: str = "first", charge_id: str = "ch_1") -> str:
    site.gateway.answers.append(replace(PAID, charge_id=charge_id))
    result = site.producer.place(order(key))
    assert result.status is OrderStatus.PAID
    return result.order_id


def lost(site: Site, key: str = "second") -> str:
    site.gateway.answers.append(LOST)
    order_id = site.producer.place(order(key)).order_id
    site.advance(5)
    return order_id


def owner(site: Site, charge_id: str = "ch_1", account: str = "default") -> str | None:
    wanted = select(charges.c.order_id).where(charges.c.account == account, charges.c.charge_id == charge_id)
    return site.database.read(lambda connection: connection.scalar(wanted))


def told_of(site: Site) -> list[tuple[str, str, str]]:
    wanted = select(incidents.c.order_id, incidents.c.kind, incidents.c.detail)
    return site.database.read(lambda connection: [tuple(row) for row in connection.execute(wanted)])


def in_the_way_of_a_version_before(site: Site, order_id: str) -> None:
    """As that version leaves a paid order: without a row of `charges`."""
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
    site.due.reclaim_expired()
    assert site.ledger.record(attempt, PAID, SHOWN) is OrderStatus.REVIEW


def is_looked_up(site: Site) -> None:
    order_id = lost(site)
    site.gateway.look_ups.append(FOUND)
    assert site.retrier.run(order_id) is OrderStatus.REVIEW


WAYS = pytest.mark.parametrize("comes", [answers, answers_late, is_looked_up])
OWNED_BY = pytest.mark.parametrize("by_a_version_before", [False, True])


@WAYS
@OWNED_BY
class TestAChargeOfAnotherOrder:
    def test_pays_nothing_and_a_person_has_to_look(
        self, site: Site, comes: Callable[[Site], None], by_a_version_before: bool
    ) -> None:
        first = paid(site)
        if by_a_version_before:
            in_the_way_of_a_version_before(site, first)
        comes(site)
        second = site.get("second")
        assert (second.status, second.charge_id) == (OrderStatus.REVIEW, None)
        assert site.get("first").status is OrderStatus.PAID
        detail = f"the charge ch_1 is the charge of order {first}"
        assert told_of(site) == [(second.id, "wrong_charge", detail)]
        assert site.database.read(count_open) == 1
        assert owner(site) in {first, None if by_a_version_before else first}

    def test_is_ended_by_a_persons_word_alone(
        self, site: Site, comes: Callable[[Site], None], by_a_version_before: bool
    ) -> None:
        first = paid(site)
        if by_a_version_before:
            in_the_way_of_a_version_before(site, first)
        comes(site)
        with pytest.raises(RefusedError, match="resolve"):
            site.people.retry("second", ANNA)
        resolution = Resolution(site.database, clock=site.clock)
        with pytest.raises(RefusedError, match=f"belongs to order {first}"):
            resolution.paid("second", "ch_1", ANNA)
        before = site.get("second").charge_key
        assert resolution.not_charged("second", ANNA).status is OrderStatus.DEAD
        assert site.get("second").charge_key != before

    def test_that_is_told_of_again_is_one_incident(
        self, site: Site, comes: Callable[[Site], None], by_a_version_before: bool
    ) -> None:
        first = paid(site)
        if by_a_version_before:
            in_the_way_of_a_version_before(site, first)
        comes(site)
        site.retrier.run(site.get("second").id)
        assert len(told_of(site)) == 1


class TestAPersonsWord:
    def test_makes_a_charge_the_orders_own(self, site: Site) -> None:
        first = in_review(site, "first")
        Resolution(site.database, clock=site.clock).paid("first", "ch_1", ANNA)
        assert owner(site) == first
        answers(site)
        assert site.get("second").status is OrderStatus.REVIEW

    @OWNED_BY
    def test_on_the_charge_of_another_is_refused_and_nothing_of_it_is_kept(
        self, site: Site, by_a_version_before: bool
    ) -> None:
        first = paid(site)
        if by_a_version_before:
            in_the_way_of_a_version_before(site, first)
        in_review(site, "second")
        before = site.get("second")
        with pytest.raises(RefusedError, match=f"ch_1 belongs to order {first}"):
            Resolution(site.database, clock=site.clock).paid("second", "ch_1", ANNA)
        assert (site.get("second"), noted(site, "second")) == (before, [])
        assert owner(site) == (None if by_a_version_before else first)

    def test_that_is_refused_for_the_orders_state_takes_no_charge_either(self, site: Site) -> None:
        paid(site)
        with pytest.raises(RefusedError, match="paid"):
            Resolution(site.database, clock=site.clock).paid("first", "ch_2", ANNA)
        assert owner(site, "ch_2") is None

    def test_on_the_charge_that_was_not_believed_for_its_amount_is_taken(self, site: Site) -> None:
        site.gateway.answers.append(replace(PAID, details=ChargeDetails(amount=1)))
        site.producer.place(order("first"))
        assert site.get("first").status is OrderStatus.REVIEW
        assert owner(site) is None
        Resolution(site.database, clock=site.clock).paid("first", "ch_1", ANNA)
        assert site.get("first").status is OrderStatus.PAID

    def test_is_no_charge_to_try_a_look_up_out_with(self, site: Site) -> None:
        """Nobody has asked the service for it."""
        in_review(site, "first")
        Resolution(site.database, clock=site.clock).paid("first", "ch_1", ANNA)
        site.advance(60)
        assert known_charges(site.database, site.clock, "default", "32a", settled_for=0.0) == []


class TestACharge:
    def test_is_the_orders_own_however_often_it_is_told_of(self, site: Site) -> None:
        attempt = site.ledger.accept_sending(order("first"))
        assert isinstance(attempt, Attempt)
        for _ in range(3):
            assert site.ledger.record(attempt, PAID, SHOWN) is OrderStatus.PAID
        assert told_of(site) == []

    def test_of_an_order_that_a_version_before_has_paid_is_its_own_too(self, site: Site) -> None:
        attempt = site.ledger.accept_sending(order("first"))
        assert isinstance(attempt, Attempt)
        site.ledger.record(attempt, PAID, SHOWN)
        in_the_way_of_a_version_before(site, attempt.claim.order_id)
        site.ledger.record(attempt, PAID, SHOWN)
        assert told_of(site) == []
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

    def test_that_is_said_to_be_another_orders_is_nobodys_until_that_one_tells_of_it(
        self, site: Site
    ) -> None:
        site.gateway.answers.append(replace(PAID, details=ChargeDetails(order_id="another")))
        site.producer.place(order("first"))
        assert (site.get("first").status, owner(site)) == (OrderStatus.REVIEW, None)
        second = paid(site, "second")
        assert owner(site) == second

    def test_of_a_declined_order_is_taken_by_nobody(self, site: Site) -> None:
        site.gateway.answers.append(replace(DECLINED, charge_id="ch_1"))
        site.producer.place(order("first"))
        assert owner(site) is None

    def test_is_kept_with_the_key_that_the_service_knows_it_by(self, site: Site) -> None:
        paid(site)
        site.advance(30)
        (known,) = known_charges(site.database, site.clock, "default", "32a", settled_for=30.0)
        assert (known.key, known.charge_id) == (site.get("first").charge_key, "ch_1")
        assert known_charges(site.database, site.clock, "default", "32a", settled_for=30.1) == []
        assert known_charges(site.database, site.clock, "default", "10a", settled_for=0.0) == []
        assert known_charges(site.database, site.clock, "other", "32a", settled_for=0.0) == []

    def test_that_is_known_is_of_the_newest_three_of_its_shape_that_have_settled(self, site: Site) -> None:
        for number in range(6):
            paid(site, f"cart-{number}", f"ch_{number}")
            site.advance(20)
        known = known_charges(site.database, site.clock, "default", "32a", settled_for=30.0)
        assert [charge.charge_id for charge in known] == ["ch_4", "ch_3", "ch_2"]


class TestAnotherAccount:
    """A payment service numbers the charges of each account for itself."""

    @pytest.fixture
    def abroad(self, site: Site) -> Ledger:
        return Ledger(site.database, lease=LEASE, clock=site.clock, account="abroad")

    @OWNED_BY
    def test_has_ids_of_its_own(self, site: Site, abroad: Ledger, by_a_version_before: bool) -> None:
        first = paid(site)
        if by_a_version_before:
            in_the_way_of_a_version_before(site, first)
        attempt = abroad.accept_sending(order("second"))
        assert isinstance(attempt, Attempt)
        assert abroad.record(attempt, PAID, SHOWN) is OrderStatus.PAID
        assert owner(site, account="abroad") == attempt.claim.order_id

    def test_owns_nothing_in_the_first_one(self, site: Site, abroad: Ledger) -> None:
        attempt = abroad.accept_sending(order("first"))
        assert isinstance(attempt, Attempt)
        abroad.record(attempt, PAID, SHOWN)
        assert paid(site, "second") == owner(site)
        assert told_of(site) == []

    def test_keeps_a_charge_to_one_order_as_the_first_one_does(self, site: Site, abroad: Ledger) -> None:
        for key, status in (("first", OrderStatus.PAID), ("second", OrderStatus.REVIEW)):
            attempt = abroad.accept_sending(order(key))
            assert isinstance(attempt, Attempt)
            assert abroad.record(attempt, PAID, SHOWN) is status


def together(*works: Callable[[], Any]) -> list[Any]:
    """Each in a thread of its own, begun at one moment."""
    start = Barrier(len(works))

    def begin(work: Callable[[], Any]) -> Any:
        start.wait(10)
        return work()

    with ThreadPoolExecutor(len(works)) as threads:
        return [result.result(60) for result in [threads.submit(begin, work) for work in works]]


def sent(site: Site, key: str) -> Attempt:
    attempt = site.ledger.accept_sending(order(key))
    assert isinstance(attempt, Attempt)
    return attempt


class TestTwoAtOnce:
    def test_of_two_orders_that_are_told_of_one_charge_one_is_paid(self, site: Site) -> None:
        for number in range(ROUNDS):
            answer = replace(PAID, charge_id=f"ch_{number}")
            first, second = sent(site, f"a-{number}"), sent(site, f"b-{number}")
            states = together(
                lambda first=first, answer=answer: site.ledger.record(first, answer, SHOWN),
                lambda second=second, answer=answer: site.ledger.record(second, answer, SHOWN),
            )
            assert sorted(states) == [OrderStatus.PAID, OrderStatus.REVIEW]
        assert incident_kinds(site) == ["wrong_charge"] * ROUNDS

    def test_the_second_waits_for_the_first_ones_commit(self, site: Site) -> None:
        """Both transactions are open: had the second one looked before, it would have found nobody."""
        first, second = sent(site, "first").claim.order_id, sent(site, "second").claim.order_id
        other = Database(site.database.engine.url.render_as_string(hide_password=False))

        def take(database: Database, order_id: str) -> str | None:
            return database.write(
                lambda connection: take_charge(connection, site.clock, "default", "ch_1", order_id, None)
            )

        with ThreadPoolExecutor(1) as threads:

            def work(connection: Any) -> Any:
                assert take_charge(connection, site.clock, "default", "ch_1", first, None) is None
                waiting = threads.submit(take, other, second)
                with pytest.raises(TimeoutError):
                    waiting.result(0.3)
                return waiting

            assert site.database.write(work).result(10) == first
        other.close()

    def test_of_an_answer_and_a_persons_word_one_counts(self, site: Site) -> None:
        resolution = Resolution(site.database, clock=site.clock)

        def resolve(key: str, charge_id: str) -> OrderStatus:
            try:
                return resolution.paid(key, charge_id, ANNA).status
            except RefusedError:
                return site.get(key).status

        for number in range(ROUNDS):
            charge_id = f"ch_{number}"
            first = sent(site, f"a-{number}")
            in_review(site, f"b-{number}")
            states = together(
                lambda first=first, charge_id=charge_id: site.ledger.record(
                    first, replace(PAID, charge_id=charge_id), SHOWN
                ),
                lambda number=number, charge_id=charge_id: resolve(f"b-{number}", charge_id),
            )
            assert sorted(states) == [OrderStatus.PAID, OrderStatus.REVIEW]

    def test_two_charges_of_one_order_are_both_recorded_and_no_deadlock_is_seen(self, site: Site) -> None:
        """Each takes its charge, and then the order's row."""

        def record(attempt: Attempt, charge_id: str) -> OrderStatus:
            return site.ledger.record(attempt, replace(PAID, charge_id=charge_id), SHOWN)

        for number in range(ROUNDS):
            attempt = sent(site, f"a-{number}")
            states = together(*(partial(record, attempt, f"ch_{number}_{which}") for which in range(2)))
            assert states == [OrderStatus.PAID, OrderStatus.PAID]
        assert incident_kinds(site) == ["two_charges"] * ROUNDS


class TestTwoOpenTransactions:
    """On PostgreSQL, where two may be open at once: each stops until the other one has come as far."""

    @pytest.fixture
    def site(self, postgres_url: str) -> Iterator[Site]:
        site = Site(postgres_url)
        yield site
        site.producer.close()

    @staticmethod
    def meet(monkeypatch: pytest.MonkeyPatch, *, before: bool) -> None:
        """Have both come together right before their charge is taken, or right after; once, not when tried again."""
        meeting = Barrier(2)
        met = threading.local()

        def stopped(*args: Any) -> Any:
            if before:
                meeting.wait(10)
                return own_charge(*args)
            believed = own_charge(*args)
            if not getattr(met, "already", False):
                met.already = True
                meeting.wait(10)
            return believed

        monkeypatch.setattr("breakwall.payments.ledger.ledger.own_charge", stopped)

    def test_that_are_told_of_one_charge_pay_one_order(
        self, site: Site, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.meet(monkeypatch, before=True)
        for number in range(ROUNDS):
            charge = replace(PAID, charge_id=f"ch_{number}")
            both = [sent(site, f"{name}-{number}") for name in "ab"]
            states = together(*(partial(site.ledger.record, attempt, charge, SHOWN) for attempt in both))
            assert sorted(states) == [OrderStatus.PAID, OrderStatus.REVIEW]
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
            site.due.reclaim_expired()
            charges = [replace(PAID, charge_id=f"ch_{number}_{which}") for which in range(2)]
            states = together(*(partial(site.ledger.record, attempt, charge, SHOWN) for charge in charges))
            assert states == [OrderStatus.PAID, OrderStatus.PAID]
        assert incident_kinds(site) == ["two_charges"] * 3
        assert deadlocks == []


class TestALateAnswerThatIsNotBelieved:
    """It tells of a charge, which is more than not to know: a look-up from before does not outweigh it."""

    def late(self, site: Site, answer: Answer) -> str:
        site.know_a_charge()
        attempt = site.ledger.accept_sending(order("second"))
        assert isinstance(attempt, Attempt)
        site.advance(LEASE)
        site.due.reclaim_expired()
        site.advance(31)
        claim = site.ledger.claim(attempt.claim.order_id)
        assert claim is not None
        proven = site.ledger.prove_absent(claim)
        assert proven is not None
        site.ledger.release(proven, 0.0)
        site.ledger.record(attempt, answer, Verdict(OrderStatus.REVIEW))
        return attempt.claim.order_id

    @pytest.mark.parametrize("details", [ChargeDetails(amount=1), ChargeDetails(order_id="another")])
    def test_for_what_it_names_keeps_the_order_from_being_sent_again(
        self, site: Site, details: ChargeDetails
    ) -> None:
        order_id = self.late(site, checked(replace(PAID, details=details), REQUEST))
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
        site.due.reclaim_expired()
        claim = site.ledger.claim(late.claim.order_id)
        assert claim is not None
        proven = site.ledger.prove_absent(claim)
        assert proven is not None
        wrong = checked(replace(PAID, details=ChargeDetails(amount=1)), REQUEST)
        site.ledger.record(late, wrong, Verdict(OrderStatus.REVIEW))
        assert site.ledger.begin_attempt(proven) is None

    def test_changes_nothing_about_an_order_that_is_paid(self, site: Site) -> None:
        attempt = sent(site, "first")
        site.ledger.record(attempt, PAID, SHOWN)
        wrong = checked(replace(PAID, charge_id="ch_2", details=ChargeDetails(amount=1)), REQUEST)
        assert site.ledger.record(attempt, wrong, Verdict(OrderStatus.REVIEW)) is OrderStatus.PAID
        assert (site.outcomes("first"), site.get("first").charge_id) == ([Outcome.SUCCEEDED], "ch_1")
        assert incident_kinds(site) == ["wrong_charge"]


def test_a_charge_that_is_not_believed_is_none_to_try_a_look_up_out_with(site: Site) -> None:
    """A stray answer's charge is not found under the key that it came to, and would cast doubt on every look-up."""
    site.gateway.answers.append(replace(PAID, details=ChargeDetails(amount=1)))
    site.producer.place(order("first"))
    site.advance(60)
    assert known_charges(site.database, site.clock, "default", "32a", settled_for=0.0) == []
