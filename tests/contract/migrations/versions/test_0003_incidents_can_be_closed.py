"""Incidents can be closed, and the same incident is stored once, also for a worker of the version before."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import (
    Engine,
    func,
    insert,
    select,
    text,
    update,
)

import breakwall.migrations
from breakwall.payments.db.database import open_engine
from breakwall.payments.db.migrate import upgrade
from breakwall.payments.db.schema import orders
from breakwall.payments.operator.incidents import count_open
from tests.contract.migrations.older_versions import (
    NOON,
    ORDER,
    incident_of_0002,
    migrate_to,
    stored_incidents,
)


@pytest.fixture
def at_0002(database_url: str) -> Iterator[Engine]:
    """The database of the version before incidents could be closed, with one order."""
    engine = open_engine(database_url)
    migrate_to(engine, "0002")
    with engine.begin() as connection:
        connection.execute(insert(orders), ORDER)
    yield engine
    engine.dispose()


def test_repeated_incidents_are_merged_into_the_first(at_0002: Engine) -> None:
    with at_0002.begin() as connection:
        for minute, detail in enumerate(("ch_1, ch_2", "ch_1, ch_3", "ch_1, ch_2", "ch_1, ch_2")):
            connection.execute(incident_of_0002(detail, minute=minute))
    upgrade(at_0002)
    assert stored_incidents(at_0002) == [("ch_1, ch_2", NOON), ("ch_1, ch_3", NOON + timedelta(minutes=1))]


def test_incidents_are_open_after_the_upgrade(at_0002: Engine) -> None:
    with at_0002.begin() as connection:
        connection.execute(incident_of_0002("ch_1, ch_2"))
    upgrade(at_0002)
    with at_0002.connect() as connection:
        assert count_open(connection) == 1


def test_an_incident_that_a_worker_of_the_version_before_reports_twice_is_stored_once(
    at_0002: Engine,
) -> None:
    """Failing, its transaction would lose the result of the attempt that it records."""
    upgrade(at_0002)
    for _ in range(2):
        with at_0002.begin() as connection:
            connection.execute(incident_of_0002("ch_1, ch_2"))
            connection.execute(update(orders).values(last_error="recorded"))
    assert [detail for detail, _ in stored_incidents(at_0002)] == ["ch_1, ch_2"]


def test_an_incident_that_is_reported_again_while_the_upgrade_begins_is_merged_too(at_0002: Engine) -> None:
    with at_0002.begin() as connection:
        connection.execute(incident_of_0002("ch_1, ch_2"))
    other = open_engine(at_0002.url.render_as_string(hide_password=False))
    with ThreadPoolExecutor(1) as threads, at_0002.connect() as writer:
        writer.execute(incident_of_0002("ch_1, ch_2", minute=1))
        upgrading = threads.submit(upgrade, other)
        wait_until_it_waits(other)
        writer.commit()
        assert upgrading.result() == breakwall.migrations.HEAD
    other.dispose()
    assert stored_incidents(at_0002) == [("ch_1, ch_2", NOON)]


def wait_until_it_waits(engine: Engine) -> None:
    """For a lock that another transaction holds. SQLite has one writer, and does not show who waits."""
    if engine.dialect.name == "sqlite":
        return
    waiting = select(func.count()).select_from(text("pg_locks")).where(text("NOT granted"))
    deadline = time.monotonic() + 5
    with engine.connect() as connection:
        while not connection.scalar(waiting):
            assert time.monotonic() < deadline, "the upgrade waits for no lock"
            time.sleep(0.01)
