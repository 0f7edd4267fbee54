"""The orders of a bulk retry are those that matched when it was made, on both databases."""

from __future__ import annotations

import pytest

from breakwall.payments.operator.bulk_retry.freezing import Freezing
from breakwall.payments.operator.bulk_retry.selection import Selection
from breakwall.payments.orders import OrderStatus
from tests.contract.payments.operator.bulk_retry.bulk_site import (
    collected,
    create,
    frozen,
    get,
    run,
    runner,
    states,
)
from tests.contract.people import OTHER_PAYLOAD, dead, die, in_review, queued
from tests.contract.site import Site, order
from tests.gateway import PAID

pytestmark = pytest.mark.both_databases

ALL = Selection((OrderStatus.DEAD, OrderStatus.REVIEW, OrderStatus.QUEUED))


class TestTheFrozenOrders:
    def test_are_the_queued_ones_first_and_of_each_state_the_oldest_first(
        self, site: Site, batches_of_two: None
    ) -> None:
        dead(site, *"abc")
        in_review(site, "r")
        queued(site, *"xyz")
        made = create(site, ALL)
        assert collected(site, made).eligible == 7
        assert frozen(site, made) == ["x", "y", "z", "a", "b", "c", "r"]

    def test_are_all_of_one_moment(self, site: Site, batches_of_two: None) -> None:
        site.producer.enqueue([order(key) for key in "abcde"])
        made = create(site, ALL)
        collected(site, made)
        assert sorted(frozen(site, made)) == list("abcde")

    def test_are_none_that_were_accepted_and_died_later(self, site: Site) -> None:
        dead(site, "a")
        made = create(site)
        site.advance(1)
        dead(site, "late")
        collected(site, made)
        assert frozen(site, made) == ["a"]

    def test_are_none_that_were_queued_later(self, site: Site) -> None:
        queued(site, "a")
        made = create(site, ALL)
        site.advance(1)
        queued(site, "late")
        collected(site, made)
        assert frozen(site, made) == ["a"]

    def test_are_none_that_were_accepted_before_and_died_later(
        self, site: Site, batches_of_two: None
    ) -> None:
        """Not even between two of the transactions that write the orders down."""
        dead(site, *"abc")
        (waiting,) = queued(site, "waiting")
        made = create(site)
        runner(site).run_once()
        site.advance(1)
        die(site, waiting)
        collected(site, made)
        assert frozen(site, made) == list("abc")

    def test_are_none_that_had_left_their_state_before_their_turn(
        self, site: Site, batches_of_two: None
    ) -> None:
        dead(site, *"abc")
        made = create(site)
        runner(site).run_once()
        site.people.cancel("c")
        collected(site, made)
        assert frozen(site, made) == ["a", "b"]

    def test_are_the_oldest_where_there_is_a_limit(self, site: Site, batches_of_two: None) -> None:
        dead(site, *"abcde")
        made = create(site, limit=3)
        collected(site, made)
        assert frozen(site, made) == list("abc")

    def test_stay_the_same_whatever_dies_while_they_are_retried(
        self, site: Site, batches_of_two: None
    ) -> None:
        dead(site, *"abc")
        made = create(site)
        collected(site, made)
        site.advance(1)
        dead(site, "late")
        site.advance(60)
        list(runner(site).run(made.id))
        assert states(site, *"abc", "late") == [OrderStatus.QUEUED] * 3 + [OrderStatus.DEAD]


class TestTheCounts:
    def test_are_those_of_the_dry_run(self, site: Site) -> None:
        dead(site, "a", "b")
        in_review(site, "c")
        in_review(site, "disputed", answer=OTHER_PAYLOAD)
        queued(site, "d")
        site.gateway.answers.append(PAID)
        site.producer.place(order("e"))
        made = collected(site, create(site, Selection((OrderStatus.DEAD, OrderStatus.REVIEW))))
        assert (made.eligible, made.looked_up_first, made.to_be_resolved) == (3, 1, 1)
        assert (made.already_paid, made.skipped) == (1, 1)

    def test_say_of_the_frozen_orders_alone_how_many_are_looked_up_first(self, site: Site) -> None:
        in_review(site, "a")
        site.advance(1)
        in_review(site, "b")
        made = collected(site, create(site, Selection((OrderStatus.REVIEW,)), limit=1))
        assert (made.eligible, made.looked_up_first) == (1, 1)

    def test_leave_no_place_to_an_order_whose_key_belongs_to_another_payload(self, site: Site) -> None:
        in_review(site, "a", answer=OTHER_PAYLOAD)
        site.advance(1)
        in_review(site, "b")
        assert run(site, Selection((OrderStatus.REVIEW,)), limit=1) == 1
        assert states(site, *"ab") == [OrderStatus.REVIEW, OrderStatus.QUEUED]


def test_of_two_processes_at_once_one_has_no_effect(site: Site, batches_of_two: None) -> None:
    dead(site, *"abc")
    made = create(site)
    freezing = Freezing(site.database, site.clock)
    freezing.run_once(made)
    freezing.run_once(made)
    assert (frozen(site, made), get(site, made).eligible) == (["a", "b"], 2)
