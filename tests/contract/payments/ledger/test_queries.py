"""A name that fits two orders, the id of one and the key of the other, means neither until an option decides.

Only a key that its caller has copied from `orders list` can be another order's id.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from breakwall.payments.ledger.queries import AmbiguousNameError, Naming, OrderNotFoundError, get_order
from breakwall.payments.orders import OrderStatus, StoredOrder
from tests.contract.people import ANNA, in_review
from tests.contract.site import Site, order

ACTIONS: dict[str, Callable[[Site, str, Naming], StoredOrder]] = {
    "show": lambda site, name, by: get_order(site.database, name, by),
    "retry": lambda site, name, by: site.people.retry(name, ANNA, by=by),
    "cancel": lambda site, name, by: site.people.cancel(name, ANNA, by=by),
}


@pytest.fixture
def ids(site: Site) -> tuple[str, str]:
    """The ids of two orders; the second one's key is the first one's id."""
    (first,) = site.producer.enqueue([order("cart-1")])
    (second,) = site.producer.enqueue([order(first.order_id)])
    return first.order_id, second.order_id


def test_show_key_is_never_another_order(site: Site, ids: tuple[str, str]) -> None:
    with pytest.raises(AmbiguousNameError) as ambiguous:
        get_order(site.database, ids[0])
    assert ambiguous.value.found == {Naming.ID: ids[0], Naming.KEY: ids[1]}
    assert str(ambiguous.value) == (
        f"'{ids[0]}' is the id of order {ids[0]} and the idempotency key of order {ids[1]}. "
        "Say which one is meant: --id or --key decides"
    )


@pytest.mark.parametrize("action", ACTIONS.values(), ids=ACTIONS)
def test_an_action_on_a_name_that_fits_two_orders_is_refused_and_changes_neither(
    site: Site, ids: tuple[str, str], action: Callable[[Site, str, Naming], StoredOrder]
) -> None:
    before = [get_order(site.database, order_id, Naming.ID) for order_id in ids]
    with pytest.raises(AmbiguousNameError):
        action(site, ids[0], Naming.ANY)
    assert [get_order(site.database, order_id, Naming.ID) for order_id in ids] == before


@pytest.mark.parametrize("action", ACTIONS.values(), ids=ACTIONS)
@pytest.mark.parametrize(("by", "meant"), [(Naming.ID, 0), (Naming.KEY, 1)])
def test_who_says_what_the_name_is_means_that_order(
    site: Site,
    ids: tuple[str, str],
    action: Callable[[Site, str, Naming], StoredOrder],
    by: Naming,
    meant: int,
) -> None:
    assert action(site, ids[0], by).id == ids[meant]


@pytest.mark.parametrize("paid", [True, False])
def test_a_review_is_ended_of_the_order_that_is_meant(site: Site, paid: bool) -> None:
    first = in_review(site)
    site.producer.enqueue([order(first)])

    def resolve(by: Naming) -> StoredOrder:
        if paid:
            return site.people.resolve_paid(first, "ch_1", ANNA, by=by)
        return site.people.resolve_not_charged(first, ANNA, by=by)

    with pytest.raises(AmbiguousNameError):
        resolve(Naming.ANY)
    assert get_order(site.database, first, Naming.ID).status is OrderStatus.REVIEW
    assert resolve(Naming.ID).id == first


def test_a_name_that_fits_one_order_needs_no_option(site: Site, ids: tuple[str, str]) -> None:
    assert get_order(site.database, "cart-1").id == ids[0]
    assert get_order(site.database, ids[1]).id == ids[1]


def test_a_name_is_looked_for_only_as_what_it_is_said_to_be(site: Site, ids: tuple[str, str]) -> None:
    with pytest.raises(OrderNotFoundError, match=r"no order in [a-z+]+://[^@]+ has the id 'cart-1'"):
        get_order(site.database, "cart-1", Naming.ID)
    with pytest.raises(OrderNotFoundError, match="has the idempotency key "):
        get_order(site.database, ids[1], Naming.KEY)
