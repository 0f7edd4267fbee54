"""Retrying all orders that match, on both databases."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import Connection, Select, func, select, update

from breakwall.payments.db.schema import interventions, orders
from breakwall.payments.gateways.base import ChargeAnswer, Health, Outcome
from breakwall.payments.ledger.batches import Position
from breakwall.payments.operator.bulk_retry.selection import Selection
from breakwall.payments.orders import Order, OrderStatus
from tests.contract.people import (
    ANNA,
    OTHER_PAYLOAD,
    Crash,
    crashing_before_the_commit,
    crowd,
    dead,
    die,
    explain,
    in_review,
    interventions_of,
    queued,
)
from tests.contract.site import Site, order
from tests.gateway import FOUND, PAID

DEAD = Selection((OrderStatus.DEAD,))
TIMED_OUT = ChargeAnswer(Outcome.FAILED, Health.NEUTRAL, code="http_408", detail="50% of it took Too Long.")


def driver(site: Site, **options: Any) -> BulkRetry:
    return BulkRetry(site.database, clock=site.clock, sleep=lambda seconds: None, **options)


def run(site: Site, selection: Selection = DEAD, limit: int | None = None) -> int:
    return sum(batch.retried for batch in driver(site).run(selection, ANNA, limit=limit))


def states(site: Site, *keys: str) -> list[OrderStatus]:
    return [site.get(key).status for key in keys]


@pytest.fixture
def batches_of_two(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk_retry, "BATCH", 2)


class TestTheSelection:
    def test_is_of_one_state_and_leaves_the_others_alone(self, site: Site) -> None:
        dead(site, "a", "b")
        in_review(site, "c")
        assert run(site) == 2
        assert states(site, "a", "b", "c") == [OrderStatus.QUEUED, OrderStatus.QUEUED, OrderStatus.REVIEW]

    def test_may_be_of_several_states(self, site: Site) -> None:
        dead(site, "a")
        in_review(site, "b")
        assert run(site, Selection((OrderStatus.DEAD, OrderStatus.REVIEW))) == 2

    def test_may_be_of_one_currency(self, site: Site) -> None:
        dead(site, "a")
        site.producer.enqueue([Order("u1", 5, "USD", "b")])
        chosen = Selection((OrderStatus.QUEUED, OrderStatus.DEAD), currency="USD")
        assert run(site, chosen) == 1
        assert len(interventions_of(site, "b")) == 1

    def test_may_be_of_an_age(self, site: Site) -> None:
        dead(site, "old")
        site.advance(3600)
        dead(site, "new")
        assert run(site, Selection((OrderStatus.DEAD,), older_than=3600)) == 1
        assert states(site, "old", "new") == [OrderStatus.QUEUED, OrderStatus.DEAD]

    def test_may_be_of_an_error_whatever_its_case(self, site: Site) -> None:
        dead(site, "a")
        dead(site, "b", answer=TIMED_OUT)
        assert run(site, Selection((OrderStatus.DEAD,), error_contains="too long")) == 1
        assert states(site, "a", "b") == [OrderStatus.DEAD, OrderStatus.QUEUED]

    @pytest.mark.parametrize(("wanted", "number"), [("50%", 1), ("0% of", 1), ("5%took", 0), ("5_%", 0)])
    def test_takes_the_text_of_an_error_as_it_is(self, site: Site, wanted: str, number: int) -> None:
        dead(site, answer=TIMED_OUT)
        assert run(site, Selection((OrderStatus.DEAD,), error_contains=wanted)) == number

    @pytest.mark.parametrize("status", [OrderStatus.PAID, OrderStatus.IN_FLIGHT, OrderStatus.CANCELLED])
    def test_is_never_of_a_state_that_nothing_can_be_sent_from(self, status: OrderStatus) -> None:
        with pytest.raises(ValueError, match="statuses"):
            Selection((status,))


class TestWhatIsRetried:
    def test_is_due_at_once_with_a_whole_new_budget_and_goes_on_counting(self, site: Site) -> None:
        (order_id,) = dead(site)
        run(site)
        assert site.get().next_attempt_at == site.clock.now
        assert site.dispatch_queue.take_due(10, republish_after=60) == [order_id]
        claim = site.ledger.claim(order_id)
        assert claim is not None
        assert (claim.progress.retries, site.get().retry_count) == (0, 1)

    def test_is_looked_up_first_where_it_may_have_been_charged(self, site: Site) -> None:
        order_id = in_review(site)
        run(site, Selection((OrderStatus.REVIEW,)))
        site.gateway.lookups.append(FOUND)
        assert site.retrier.run(order_id) is OrderStatus.PAID
        assert len(site.gateway.charged) == 1

    def test_is_recorded_one_by_one_as_one_run(self, site: Site) -> None:
        dead(site, "a", "b")
        run(site)
        (first,), (second,) = interventions_of(site, "a"), interventions_of(site, "b")
        assert (first.actor, first.reason) == ("anna", "the service is back")
        assert (first.before, first.after) == (OrderStatus.DEAD, OrderStatus.QUEUED)
        assert first.run == second.run is not None

    def test_is_the_oldest_where_there_is_a_limit(self, site: Site, batches_of_two: None) -> None:
        dead(site, *"abcde")
        assert run(site, limit=3) == 3
        assert states(site, *"abcde") == [OrderStatus.QUEUED] * 3 + [OrderStatus.DEAD] * 2


class TestAnOrderWhoseKeyBelongsToAnotherPayload:
    REVIEW = Selection((OrderStatus.REVIEW,))

    def test_is_left_for_a_person_and_counted(self, site: Site, batches_of_two: None) -> None:
        in_review(site, "a")
        in_review(site, "b", answer=OTHER_PAYLOAD)
        in_review(site, "c")
        batches = list(driver(site).run(self.REVIEW, ANNA))
        assert sum(batch.to_be_resolved for batch in batches) == 1
        assert sum(batch.retried for batch in batches) == 2
        assert states(site, *"abc") == [OrderStatus.QUEUED, OrderStatus.REVIEW, OrderStatus.QUEUED]
        assert interventions_of(site, "b") == []

    def test_takes_no_others_place_where_there_is_a_limit(self, site: Site) -> None:
        in_review(site, "a", answer=OTHER_PAYLOAD)
        site.advance(1)
        in_review(site, "b")
        assert run(site, self.REVIEW, limit=1) == 1
        assert states(site, *"ab") == [OrderStatus.REVIEW, OrderStatus.QUEUED]

    def test_is_counted_apart_in_a_dry_run(self, site: Site) -> None:
        in_review(site, "a", answer=OTHER_PAYLOAD)
        in_review(site, "b")
        seen = Preview(eligible=1, looked_up_first=1, already_paid=0, skipped={}, to_be_resolved=1)
        assert driver(site).preview(self.REVIEW) == seen
        assert driver(site).preview_named([site.get(key).id for key in "ab"]) == seen

    def test_is_just_another_one_in_review_where_that_state_is_not_asked_for(self, site: Site) -> None:
        in_review(site, answer=OTHER_PAYLOAD)
        assert driver(site).preview(DEAD) == Preview(0, 0, 0, {OrderStatus.REVIEW: 1})


class TestTheRun:
    def test_reaches_all_of_many_batches(self, site: Site, batches_of_two: None) -> None:
        dead(site, *"abcde")
        sizes = [batch.retried for batch in driver(site).run(DEAD, ANNA)]
        assert sizes == [2, 2, 1]

    def test_reaches_all_orders_that_were_accepted_in_one_moment(
        self, site: Site, batches_of_two: None
    ) -> None:
        site.producer.enqueue([order(key) for key in "abcde"])
        assert run(site, Selection((OrderStatus.QUEUED,))) == 5

    def test_that_is_killed_in_the_middle_has_done_whole_batches_only(
        self, site: Site, batches_of_two: None
    ) -> None:
        dead(site, *"abcde")
        batches = driver(site).run(DEAD, ANNA)
        next(batches)
        with crashing_before_the_commit(), pytest.raises(Crash):
            next(batches)
        assert states(site, *"abcde") == [OrderStatus.QUEUED] * 2 + [OrderStatus.DEAD] * 3
        assert [len(interventions_of(site, key)) for key in "abcde"] == [1, 1, 0, 0, 0]

    def test_that_is_run_again_does_the_rest_and_nothing_twice(
        self, site: Site, batches_of_two: None
    ) -> None:
        dead(site, *"abcde")
        next(driver(site).run(DEAD, ANNA))
        assert run(site) == 3
        assert [len(interventions_of(site, key)) for key in "abcde"] == [1] * 5

    def test_leaves_an_order_alone_that_comes_back_dead_meanwhile(
        self, site: Site, batches_of_two: None
    ) -> None:
        (first, *_) = dead(site, *"abcd")
        batches = driver(site).run(DEAD, ANNA)
        next(batches)
        die(site, first)
        assert [batch.retried for batch in batches] == [2]
        assert states(site, *"abcd") == [OrderStatus.DEAD] + [OrderStatus.QUEUED] * 3

    def test_leaves_an_order_alone_that_is_accepted_and_dies_meanwhile(
        self, site: Site, batches_of_two: None
    ) -> None:
        dead(site, *"abc")
        batches = driver(site).run(DEAD, ANNA)
        next(batches)
        site.advance(1)
        dead(site, "late")
        assert [batch.retried for batch in batches] == [1]
        assert site.get("late").status is OrderStatus.DEAD

    def test_leaves_an_order_alone_that_changed_meanwhile(
        self, site: Site, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        dead(site, "a", "b")
        mine = driver(site)
        find = mine._find

        def cancelled_after_being_found(query: Select[Any]) -> Any:
            found = find(query)
            if found:
                site.people.cancel("a")
            return found

        monkeypatch.setattr(mine, "_find", cancelled_after_being_found)
        (batch,) = mine.run(DEAD, ANNA)
        assert (batch.retried, batch.changed) == (1, 1)
        assert states(site, "a", "b") == [OrderStatus.CANCELLED, OrderStatus.QUEUED]

    def test_leaves_the_database_to_others_for_as_long_as_it_had_it(
        self, site: Site, batches_of_two: None
    ) -> None:
        dead(site, *"abc")
        moments = iter([0.0, 2.0, 10.0, 13.0, 20.0])
        slept: list[float] = []
        paced = BulkRetry(site.database, clock=site.clock, sleep=slept.append, timer=lambda: next(moments))
        assert [batch.retried for batch in paced.run(DEAD, ANNA)] == [2, 1]
        assert slept == [2.0, 3.0]

    def test_beside_another_retries_each_order_once(self, site: Site) -> None:
        site.producer.enqueue([order(f"cart-{n}") for n in range(200)])
        site.database.write(make_all_dead, name="test")
        with ThreadPoolExecutor(4) as threads:
            sent = sum(threads.map(lambda _: run(site), range(4)))
        assert sent == 200
        retried = select(func.count()).where(interventions.c.action == "retry")
        assert site.database.read(lambda connection: connection.scalar(retried)) == 200


def make_all_dead(connection: Connection) -> None:
    connection.execute(update(orders).values(status="dead", next_attempt_at=None, dispatch_at=None))


class TestTheDryRun:
    def preview(self, site: Site, selection: Selection = DEAD) -> Preview:
        return driver(site).preview(selection)

    def finish(self, site: Site) -> None:
        dead(site, "a", "b")
        in_review(site, "c")
        queued(site, "d")
        site.gateway.answers.append(PAID)
        site.producer.place(order("e"))
        site.ledger.accept_sending(order("f"))

    def test_counts_what_is_eligible_skipped_and_already_paid(self, site: Site) -> None:
        self.finish(site)
        assert self.preview(site) == Preview(
            eligible=2,
            looked_up_first=0,
            already_paid=1,
            skipped={OrderStatus.IN_FLIGHT: 1, OrderStatus.QUEUED: 1, OrderStatus.REVIEW: 1},
        )

    def test_counts_what_is_looked_up_first(self, site: Site) -> None:
        self.finish(site)
        seen = self.preview(site, Selection((OrderStatus.REVIEW, OrderStatus.DEAD)))
        assert (seen.eligible, seen.looked_up_first) == (3, 1)

    def test_counts_an_order_with_that_error_as_paid_when_it_was_paid_since(self, site: Site) -> None:
        _, paid = dead(site, "a", "b")
        site.people.retry(paid)
        site.gateway.answers.append(PAID)
        site.retrier.run(paid)
        site.gateway.answers.append(PAID)
        site.producer.place(order("unfailing"))
        seen = self.preview(site, Selection((OrderStatus.DEAD,), error_contains="HTTP_401"))
        assert (seen.eligible, seen.already_paid) == (1, 1)

    def test_counts_what_the_run_then_does(self, site: Site) -> None:
        self.finish(site)
        chosen = Selection((OrderStatus.DEAD, OrderStatus.QUEUED), currency="KRW")
        assert self.preview(site, chosen).eligible == run(site, chosen) == 3

    def test_changes_nothing(self, site: Site) -> None:
        self.finish(site)
        before = [site.get(key) for key in "abcdef"]
        self.preview(site)
        assert [site.get(key) for key in "abcdef"] == before

    def test_of_named_orders_counts_those(self, site: Site) -> None:
        self.finish(site)
        ids = [site.get(key).id for key in "ace"]
        assert driver(site).preview_named(ids) == Preview(2, 1, 1, {})


@pytest.mark.both_databases
class TestTheQuery:
    def test_reads_the_index_and_not_the_table(self, site: Site) -> None:
        site.database.write(crowd, name="test")
        selection = Selection((OrderStatus.DEAD,), error_contains="gone")
        until = datetime(2026, 12, 1, tzinfo=UTC)
        for after in (None, Position(datetime(2026, 1, 2, tzinfo=UTC), "0" * 32)):
            query = batch_query(selection, OrderStatus.DEAD, until=until, after=after)
            plan = site.database.read(lambda connection, query=query: explain(connection, query))  # type: ignore[misc]
            assert "ix_orders_status_created" in plan
            assert "Seq Scan" not in plan
            assert "SCAN orders" not in plan
