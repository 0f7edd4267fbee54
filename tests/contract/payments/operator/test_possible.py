from __future__ import annotations

from breakwall.payments.interventions import Action
from breakwall.payments.operator.possible import possible_now
from tests.contract.people import OTHER_PAYLOAD, dead, in_review
from tests.contract.site import Site


def possible(site: Site) -> list[Action]:
    order = site.get()
    return site.database.read(lambda connection: possible_now(connection, order))


def test_an_order_allows_what_its_state_allows(site: Site) -> None:
    dead(site)
    assert possible(site) == ["retry", "cancel", "resolve_paid"]


def test_an_order_in_review_can_be_retried_if_a_lookup_would_find_its_own_charge(site: Site) -> None:
    in_review(site)
    assert possible(site) == ["retry", "resolve_paid", "resolve_not_charged"]


def test_with_a_key_conflict_an_order_can_only_be_resolved(site: Site) -> None:
    in_review(site, answer=OTHER_PAYLOAD)
    assert possible(site) == ["resolve_paid", "resolve_not_charged"]
