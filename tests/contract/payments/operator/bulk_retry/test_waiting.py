"""A bulk retry whose orders are another gateway's says which worker it waits for. On both databases."""

from __future__ import annotations

import pytest

from breakwall.gateway_names import DEFAULT
from breakwall.payments.fleet.leases import give_up_lease, take_lease
from breakwall.payments.fleet.workers import DEAD_AFTER
from breakwall.payments.operator.bulk_retry.record import BulkRetry
from breakwall.payments.operator.bulk_retry.runner import MAX_WAIT, BulkRetryRunner
from breakwall.payments.operator.bulk_retry.waiting import LEASE
from tests.contract.fleet import heartbeat
from tests.contract.payments.operator.bulk_retry.bulk_site import bulk_retries, collected, create, get
from tests.contract.people import ANNA, dead, give_to_another_gateway
from tests.contract.site import Site


@pytest.fixture
def made(site: Site) -> BulkRetry:
    """Of two dead orders, the first one of the gateway `other`; a worker without it has done what it could."""
    dead(site, "cart-1", "cart-2")
    give_to_another_gateway(site, "cart-1")
    made = collected(site, create(site))
    work(site, DEFAULT)
    return made


def work(site: Site, gateway: str) -> None:
    """As its worker does, until it has nothing to do."""
    runner = BulkRetryRunner(site.database, clock=site.clock, gateway=gateway)
    while runner.run_once() != MAX_WAIT:
        pass


def test_it_names_the_gateway_that_no_live_worker_has(site: Site, made: BulkRetry) -> None:
    heartbeat(site, DEFAULT)
    now = get(site, made)
    assert (now.state, now.done, now.waits_for, now.seconds_left) == ("running", 1, "other", None)
    assert [one.waits_for for one in bulk_retries(site).newest(5)] == ["other"]


def test_it_does_not_wait_while_a_worker_with_that_gateway_lives(site: Site, made: BulkRetry) -> None:
    heartbeat(site, "other")
    assert get(site, made).waits_for is None
    site.advance(DEAD_AFTER + 1)
    assert get(site, made).waits_for == "other"
    heartbeat(site, "other")
    work(site, "other")
    assert (get(site, made).state, get(site, made).waits_for) == ("finished", None)


def test_a_worker_that_does_not_say_its_gateway_may_have_it(site: Site, made: BulkRetry) -> None:
    heartbeat(site, None)
    assert get(site, made).waits_for is None


def test_without_any_worker_it_waits_for_one_of_its_first_order(site: Site) -> None:
    dead(site)
    assert get(site, collected(site, create(site))).waits_for == DEFAULT


def test_a_process_that_works_on_it_needs_no_worker(site: Site, made: BulkRetry) -> None:
    site.database.write(lambda connection: take_lease(connection, site.clock, LEASE, "a command", seconds=20))
    assert get(site, made).waits_for is None
    site.database.write(lambda connection: give_up_lease(connection, site.clock, LEASE, "a command"))
    assert get(site, made).waits_for == "other"


def test_what_has_ended_waits_for_nobody(site: Site, made: BulkRetry) -> None:
    bulk_retries(site).abort(made.id, ANNA)
    assert get(site, made).waits_for is None


def test_it_does_not_wait_if_a_live_worker_has_a_later_order(site: Site) -> None:
    """Such a worker looks within `MAX_WAIT`."""
    dead(site, "cart-1", "cart-2")
    give_to_another_gateway(site, "cart-1")
    made = collected(site, create(site))
    heartbeat(site, DEFAULT)
    assert get(site, made).waits_for is None
    work(site, DEFAULT)
    assert get(site, made).waits_for == "other"


def test_one_that_its_rate_holds_back_waits_for_no_worker(site: Site) -> None:
    """A command without a worker gives the lease back between two orders."""
    dead(site, "cart-1", "cart-2")
    made = create(site, rate=0.1)
    steps = BulkRetryRunner(site.database, clock=site.clock, gateway=DEFAULT, sleep=site.advance).run(made.id)
    now = next(now for now in steps if now.done == 1)
    assert now.state == "running"
    steps.close()  # The lease is free.
    assert get(site, made).waits_for is None
    site.advance(10)
    assert get(site, made).waits_for == DEFAULT
