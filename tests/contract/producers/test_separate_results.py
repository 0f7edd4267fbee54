"""Batches in which a refused order does not stop the others, on both databases."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from breakwall.payments.orders import IdempotencyConflictError, InvalidOrderError
from breakwall.producers import PlaceResult
from breakwall.producers.producer import BATCH
from tests.contract.site import Site, order


def test_each_order_has_its_result_in_the_same_order(site: Site) -> None:
    site.producer.enqueue([order("known"), order("conflicting")])
    late = replace(order("late"), charge_before=site.clock.now - timedelta(seconds=1))
    results = site.producer.enqueue_each(
        [order("cart-1"), order("conflicting", amount=1), late, order("known"), order("cart-2")]
    )
    kinds = [PlaceResult, IdempotencyConflictError, InvalidOrderError, PlaceResult, PlaceResult]
    assert [type(result) for result in results] == kinds
    assert [result.replayed for result in results if isinstance(result, PlaceResult)] == [False, True, False]
    assert {site.get(key).status for key in ("cart-1", "cart-2")} == {"queued"}


def test_of_two_orders_with_one_key_the_first_counts(site: Site) -> None:
    first, same, other = site.producer.enqueue_each([order(), order(), order(amount=1)])
    assert isinstance(first, PlaceResult)
    assert same == replace(first, replayed=True)
    assert isinstance(other, IdempotencyConflictError)
    assert other.fields == ["amount"]


def test_if_the_first_of_two_is_refused_the_other_is_told_that_and_not_that_they_conflict(site: Site) -> None:
    site.producer.enqueue([order("known")])
    late = replace(order("late"), charge_before=site.clock.now - timedelta(seconds=1))
    conflicting, same, first, second = site.producer.enqueue_each(
        [order("known", amount=1), order("known"), late, order("late")]
    )
    assert isinstance(conflicting, IdempotencyConflictError)
    assert isinstance(first, InvalidOrderError)
    assert "charge_before" in first.problems
    for other in (same, second):
        assert isinstance(other, InvalidOrderError)
        assert "an order before this one has the same key, and was refused" in str(other)


def test_nothing_is_stored_if_all_are_refused(site: Site) -> None:
    (result,) = site.producer.enqueue_each([replace(order(), gateway="another")])
    assert isinstance(result, InvalidOrderError)
    assert site.producer.enqueue_each([]) == []


def test_more_than_a_transaction_takes_is_refused(site: Site) -> None:
    with pytest.raises(ValueError, match="at most"):
        site.producer.enqueue_each([order()] * (BATCH + 1))
