"""The database that lives are lived on, one after the other."""

from __future__ import annotations

import itertools
import time
from pathlib import Path

from sqlalchemy import delete, event, text

from breakwall import crashpoints
from breakwall.payments.db.database import Database
from breakwall.payments.db.migrate import upgrade
from breakwall.payments.db.schema import metadata, site
from tests.chaos import crashes_worker
from tests.chaos.crashes import DOOMED, Life, live
from tests.chaos.crashes_outside import PROFILES, SETTLE, Deed
from tests.chaos.crashes_scenarios import Scenario
from tests.chaos.crashes_site import Outside, Site

PAID_BEFORE = "cart-0"
"""The key of an order that every story finds already paid."""


class Ground:
    """A database that is emptied for each life, and a folder for everything else that outlives it."""

    def __init__(self, url: str, folder: Path) -> None:
        crashes_worker.prepare()
        self.database = Database(url)
        self._folders = (folder / str(number) for number in itertools.count())
        if self._is_sqlite:
            event.listen(self.database.engine, "connect", _leave_it_to_the_kernel)
        upgrade(self.database.engine)

    def outside(self, scenario: Scenario, profile: str) -> Outside:
        """A new beginning: no message, and one order that was paid so long ago that look-ups can be tried out."""
        with self.database.engine.begin() as connection:
            for table in reversed(metadata.sorted_tables):
                if table is not site:
                    connection.execute(delete(table))
        folder = next(self._folders)
        folder.mkdir()
        outside = Outside(
            self.database,
            folder,
            PROFILES[profile],
            (Deed.CHARGE, *scenario.deeds),
            max_attempts=scenario.max_attempts,
            begins=SETTLE + 1,
        )
        Site(outside, 0.0).place(PAID_BEFORE)
        return outside

    def live_here(self, scenario: Scenario, outside: Outside) -> Life:
        """Tell a scenario to its end, in this process."""
        site = Site(outside)
        points: list[str] = []
        crashpoints.arm(points.append)
        try:
            scenario.tell(site)
        finally:
            crashpoints.arm(None)
        return Life(points, False, site.seconds)

    def live(
        self, scenario: Scenario, outside: Outside, die_at: int | str, *, since: float | None = None
    ) -> Life:
        """Tell a scenario in a process that dies on its way; returns when it is gone for its database too."""
        if self._is_sqlite:
            self.database.close()  # its locks and a fork do not go together
        site = Site(outside, since)
        life = live(lambda: scenario.tell(site), die_at=die_at, seconds=lambda: site.seconds)
        if not self._is_sqlite:
            self._wait_until_it_is_gone()
        return life

    def _wait_until_it_is_gone(self) -> None:
        """PostgreSQL notices a client's death a moment later; until then its locks are held."""
        clients = text("SELECT count(*) FROM pg_stat_activity WHERE application_name = :name")
        deadline = time.monotonic() + 10
        with self.database.engine.connect() as connection:
            while connection.scalar(clients, {"name": DOOMED}):
                assert time.monotonic() < deadline, "PostgreSQL holds on to a dead client"
                time.sleep(0.001)
                connection.rollback()

    @property
    def _is_sqlite(self) -> bool:
        return self.database.engine.dialect.name == "sqlite"


def _leave_it_to_the_kernel(connection: object, _: object) -> None:
    # Processes die here, never the machine: what was written is in the kernel's hands and survives that.
    connection.execute("PRAGMA synchronous=OFF")  # type: ignore[attr-defined]  # a DBAPI connection
