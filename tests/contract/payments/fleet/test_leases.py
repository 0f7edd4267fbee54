"""One process at a time does a task: the one that has its lease, on SQLite and PostgreSQL."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text

from breakwall.payments.db.database import Database
from breakwall.payments.fleet.leases import give_up_lease, take_lease
from tests import migrated
from tests.contract.payments.db.rolling import go_back
from tests.contract.site import Site
from tests.manual_clock import ManualClock
from tests.waiting import wait_until

pytestmark = pytest.mark.both_databases

SECONDS = 30.0


def take(site: Site, holder: str, name: str = "history") -> bool:
    return site.database.write(
        lambda connection: take_lease(connection, site.clock, name, holder, seconds=SECONDS),
        name="take_lease",
    )


def give_up(site: Site, holder: str) -> None:
    site.database.write(
        lambda connection: give_up_lease(connection, site.clock, "history", holder), name="give_up_lease"
    )


def test_the_first_process_takes_it_and_another_is_refused(site: Site) -> None:
    assert take(site, "web-1")
    assert not take(site, "web-2")


def test_its_holder_keeps_it_by_taking_it_again(site: Site) -> None:
    take(site, "web-1")
    site.advance(SECONDS - 1)
    assert take(site, "web-1")
    site.advance(SECONDS - 1)
    assert not take(site, "web-2")


def test_another_process_takes_it_over_once_it_has_run_out(site: Site) -> None:
    take(site, "web-1")
    site.advance(SECONDS - 0.1)
    assert not take(site, "web-2")
    site.advance(0.1)
    assert take(site, "web-2")
    assert not take(site, "web-1")


def test_another_process_takes_it_at_once_when_it_is_given_up(site: Site) -> None:
    take(site, "web-1")
    give_up(site, "web-1")
    assert take(site, "web-2")


def test_only_its_holder_can_give_it_up(site: Site) -> None:
    take(site, "web-1")
    give_up(site, "web-2")
    assert not take(site, "web-2")


def test_each_task_has_a_lease_of_its_own(site: Site) -> None:
    take(site, "web-1")
    assert take(site, "web-2", name="bulk retries")


def test_nobody_has_one_before_the_table_exists(site: Site) -> None:
    go_back(site)
    assert not take(site, "web-1")
    give_up(site, "web-1")


@pytest.mark.parametrize("before", ["it is new", "it has run out"])
def test_of_two_that_take_it_at_once_one_gets_it(migrated_postgres_url: str, before: str) -> None:
    """The second waits for the first one's transaction, and then finds the lease taken."""
    database, clock = Database(migrated_postgres_url), ManualClock()
    migrated.prepare(database)

    def take_as(holder: str) -> bool:
        return database.write(
            lambda connection: take_lease(connection, clock, "history", holder, seconds=SECONDS),
            name="take_lease",
        )

    if before == "it has run out":
        take_as("web-0")
        clock.advance(SECONDS)
    with ThreadPoolExecutor(1) as other, database.engine.connect() as first:
        assert take_lease(first, clock, "history", "web-1", seconds=SECONDS)
        second = other.submit(take_as, "web-2")
        wait_until(lambda: first.scalar(text("SELECT count(*) FROM pg_locks WHERE NOT granted")))
        first.commit()
        assert not second.result(timeout=60)
    database.close()


def test_a_lease_from_before_the_clock_was_set_back_holds_up_nobody(site: Site) -> None:
    take(site, "web-1")
    site.advance(-3600)
    assert take(site, "web-2")
    assert not take(site, "web-1")
