"""Migrating to this version's tables, on SQLite and on PostgreSQL."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

from sqlalchemy import func, select

from breakwall.migrations import HEAD
from breakwall.payments.db.database import Database, open_engine
from breakwall.payments.db.migrate import prepare_data_folder, upgrade
from breakwall.payments.db.revisions import AFTER, current_revision
from breakwall.payments.db.schema import orders
from tests.contract.payments.db.rolling import go_ahead, go_back
from tests.contract.site import Site


def test_upgrading_twice_is_upgrading_once(database_url: str) -> None:
    engine = open_engine(database_url)
    assert upgrade(engine) == upgrade(engine) == current_revision(engine)
    engine.dispose()


def test_eight_upgrades_at_once_all_succeed(database_url: str) -> None:
    engines = [open_engine(database_url) for _ in range(8)]
    with ThreadPoolExecutor(8) as threads:
        assert set(threads.map(upgrade, engines)) == {HEAD}
    for engine in engines:
        engine.dispose()


def embedded(home: Path) -> Database:
    return Database(
        f"sqlite:///{home}/breakwall.db", prepare=lambda engine: prepare_data_folder(home, engine)
    )


class TestAnEmbeddedDatabase:
    def test_is_made_on_first_use(self, tmp_path: Path) -> None:
        home = tmp_path / "new" / "home"
        with closing(embedded(home)) as database:
            assert (
                database.read(lambda connection: connection.scalar(select(func.count()).select_from(orders)))
                == 0
            )
        assert home.stat().st_mode & 0o077 == 0

    def test_that_the_version_after_has_migrated_is_used_as_it_is(self, tmp_path: Path) -> None:
        site = Site(f"sqlite:///{tmp_path}/breakwall.db")
        go_ahead(site)
        with closing(embedded(tmp_path)) as database:
            assert database.read(lambda connection: current_revision(connection.engine)) == AFTER

    def test_of_the_version_before_is_migrated(self, tmp_path: Path) -> None:
        site = Site(f"sqlite:///{tmp_path}/breakwall.db")
        go_back(site)
        prepare_data_folder(tmp_path, site.database.engine)
        assert current_revision(site.database.engine) == HEAD


def test_an_upgrade_leaves_what_the_version_after_has_migrated(site: Site) -> None:
    go_ahead(site)
    assert upgrade(site.database.engine) == AFTER == current_revision(site.database.engine)
