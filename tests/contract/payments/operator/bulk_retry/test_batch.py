"""What a bulk retry does to each of its orders, on both databases."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import func, select, update

from breakwall.gateway_names import DEFAULT
from breakwall.payments.db.operator_tables import bulk_retry_orders
from breakwall.payments.db.schema import attempts, interventions, orders
from breakwall.payments.operator.bulk_retry import batch as batches
from breakwall.payments.operator.bulk_retry.batch import RetryBatch
from breakwall.payments.operator.bulk_retry.record import BulkRetry
from breakwall.payments.operator.bulk_retry.selection import Selection
from breakwall.payments.orders import OrderStatus
from tests.contract.payments.operator.bulk_retry.bulk_site import (
    DEAD,
    bulk_retries,
    collected,
    create,
    get,
    make_all_dead,
    run,
    states,
)
from tests.contract.people import (
    ANNA,
    Crash,
    crashing_before_the_commit,
    dead,
    die,
    in_review,
    interventions_of,
    queued,
)
from tests.contract.site import Site, order
from tests.gateway import FOUND, PAID

pytestmark = pytest.mark.both_databases

REVIEW = Selection((OrderStatus.REVIEW,))


def batch(site: Site, made: BulkRetry) -> BulkRetry:
    return RetryBatch(site.database, site.clock, looks_up=True).run_once(made.id)


def results(site: Site, made: BulkRetry) -> list[str | None]:
    wanted = select(bulk_retry_orders.c.result).where(bulk_retry_orders.c.bulk_id == made.id)
    by_place = wanted.order_by(bulk_retry_orders.c.place)
    return site.database.read(lambda connection: list(connection.scalars(by_place)))


def ready(site: Site, selection: Selection = DEAD) -> BulkRetry:
    """One whose orders are written down; then a second has passed."""
    made = collected(site, create(site, selection))
    site.advance(1)
    return made


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


class TestWhatIsLeftAlone:
    def test_is_an_order_that_changed_meanwhile(self, site: Site) -> None:
        dead(site, "a", "b")
        made = ready(site)
        site.people.cancel("a")
        done = batch(site, made)
        assert (done.retried, done.changed) == (1, 1)
        assert states(site, "a", "b") == [OrderStatus.CANCELLED, OrderStatus.QUEUED]

    def test_is_an_order_that_is_being_charged(self, site: Site) -> None:
        (order_id,) = queued(site, "a")
        made = ready(site, Selection((OrderStatus.QUEUED,)))
        assert site.ledger.claim(order_id) is not None
        assert batch(site, made).changed == 1
        assert states(site, "a") == [OrderStatus.IN_FLIGHT]

    def test_is_an_order_that_was_paid_meanwhile(self, site: Site) -> None:
        (paid, _) = dead(site, "a", "b")
        made = ready(site)
        site.people.retry(paid)
        site.gateway.answers.append(PAID)
        site.retrier.run(paid)
        done = batch(site, made)
        assert (done.retried, done.paid) == (1, 1)
        assert results(site, made) == ["paid", "retried"]
        assert site.get("a").status is OrderStatus.PAID

    def test_is_an_order_that_came_back_dead_meanwhile(self, site: Site) -> None:
        """A person has retried it after the bulk retry was made: it has got its new budget."""
        (first, *_) = dead(site, *"ab")
        made = ready(site)
        site.people.retry(first)
        die(site, first)
        assert batch(site, made).changed == 1
        assert states(site, *"ab") == [OrderStatus.DEAD, OrderStatus.QUEUED]

    def test_is_an_order_whose_key_turned_out_to_belong_to_another_payload(self, site: Site) -> None:
        order_id = in_review(site, "a")
        made = ready(site, REVIEW)
        conflict = update(attempts).where(attempts.c.order_id == order_id).values(advice="review")
        site.database.write(lambda connection: connection.execute(conflict), name="test")
        done = batch(site, made)
        assert (done.disputed, done.retried, done.state) == (1, 0, "finished")
        assert states(site, "a") == [OrderStatus.REVIEW]
        assert interventions_of(site, "a") == []


class TestABatch:
    def test_that_dies_before_its_commit_has_neither_retried_nor_counted(
        self, site: Site, batches_of_two: None
    ) -> None:
        dead(site, *"abc")
        made = ready(site)
        batch(site, made)
        with crashing_before_the_commit(), pytest.raises(Crash):
            batch(site, made)
        assert results(site, made) == ["retried", "retried", None]
        assert get(site, made).retried == 2
        assert [len(interventions_of(site, key)) for key in "abc"] == [1, 1, 0]

    def test_after_the_last_one_finds_nothing_and_changes_nothing(self, site: Site) -> None:
        (order_id,) = dead(site, "a")
        made = ready(site)
        assert batch(site, made).state == "finished"
        die(site, order_id)
        assert batch(site, made).retried == 1
        assert states(site, "a") == [OrderStatus.DEAD]

    def test_of_one_that_was_aborted_retries_nothing(self, site: Site) -> None:
        dead(site, "a")
        made = ready(site)
        bulk_retries(site).abort(made.id, ANNA)
        assert (batch(site, made).state, batch(site, made).retried) == ("aborted", 0)
        assert states(site, "a") == [OrderStatus.DEAD]

    def test_of_none_finishes_it(self, site: Site) -> None:
        assert batch(site, ready(site)).state == "finished"

    def test_beside_others_retries_each_order_once(self, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("breakwall.payments.operator.bulk_retry.batch.BATCH", 20)
        site.producer.enqueue([order(f"cart-{n}") for n in range(200)])
        site.database.write(make_all_dead, name="test")
        made = ready(site)
        with ThreadPoolExecutor(4) as threads:
            list(threads.map(lambda _: batch(site, made), range(10)))
        assert (get(site, made).retried, get(site, made).state) == (200, "finished")
        retried = select(func.count()).where(interventions.c.action == "retry")
        assert site.database.read(lambda connection: connection.scalar(retried)) == 200


class TestARate:
    def test_allows_so_many_orders_in_a_second(self, site: Site) -> None:
        dead(site, *"abcde")
        made = collected(site, create(site, rate=2.0))
        seen = []
        for _ in range(5):
            seen += [batch(site, made).retried, batch(site, made).retried]
            site.advance(0.5)
        assert seen == [2, 2, 2, 2, 4, 4, 4, 4, 5, 5]

    def test_of_less_than_one_a_second_allows_one_after_a_while(self, site: Site) -> None:
        dead(site, *"ab")
        made = collected(site, create(site, rate=0.1))
        assert batch(site, made).retried == 1
        site.advance(9.9)
        assert batch(site, made).retried == 1
        site.advance(0.1)
        assert batch(site, made).retried == 2


class TestOrdersOfAnotherGateway:
    """Only a worker of theirs knows whether their payment service has a look-up."""

    @pytest.fixture
    def made(self, site: Site) -> BulkRetry:
        """A bulk retry of three dead orders, of which the first one is the gateway `other`'s."""
        first, *_ = dead(site, "cart-1", "cart-2", "cart-3")
        site.database.write(
            lambda connection: connection.execute(
                update(orders).where(orders.c.id == first).values(gateway="other")
            )
        )
        return ready(site)

    def of(self, site: Site, gateway: str, *, looks_up: bool = True) -> RetryBatch:
        return RetryBatch(site.database, site.clock, looks_up=looks_up, gateway=gateway)

    def test_are_left_for_a_worker_of_theirs(self, site: Site, made: BulkRetry) -> None:
        mine, others = self.of(site, DEFAULT), self.of(site, "other")
        now = mine.run_once(made.id)
        assert (now.retried, now.state) == (2, "running")
        now = mine.run_once(made.id)
        assert mine.is_through(now)
        assert not others.is_through(now)
        now = others.run_once(made.id)
        assert (now.retried, now.state) == (3, "finished")

    def test_what_is_another_gateways_is_read_once(self, site: Site, made: BulkRetry) -> None:
        mine = self.of(site, DEFAULT)
        while not mine.is_through(now := mine.run_once(made.id)):
            pass
        assert mine._through[made.id] == now.eligible
        assert results(site, made).count(None) == 1

    def test_many_of_them_are_passed_in_several_transactions(
        self, site: Site, made: BulkRetry, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(batches, "SEARCHED", 1)
        mine = self.of(site, DEFAULT)
        assert [mine.run_once(made.id).retried for _ in range(made.eligible)] == [0, 1, 2]
        assert mine.is_through(mine.run_once(made.id))
