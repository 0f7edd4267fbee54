"""A worker's ways to the shop are registered before it can end an order, on SQLite and on PostgreSQL."""

from __future__ import annotations

from contextlib import closing

from sqlalchemy import select

from breakwall.payments.db.schema import destinations
from breakwall.settings import Settings, load_settings
from breakwall.wiring import open_database


def settings_of(url: str) -> Settings:
    return load_settings({"BREAKWALL_DATABASE_URL": url})


def known(url: str, *ways: str) -> list[str]:
    """Which ways the first transaction of a process with these ways finds."""
    with closing(open_database(settings_of(url), ways=ways)) as database:
        query = select(destinations.c.name).order_by(destinations.c.name)
        return database.read(lambda connection: list(connection.scalars(query)))


def test_the_first_transaction_finds_the_ways(migrated_url: str) -> None:
    assert known(migrated_url, "task", "webhook") == ["task", "webhook"]


def test_a_process_without_ways_registers_none(migrated_url: str) -> None:
    assert known(migrated_url) == []


def test_a_way_is_registered_once(migrated_url: str) -> None:
    assert known(migrated_url, "webhook") == known(migrated_url, "webhook") == ["webhook"]
