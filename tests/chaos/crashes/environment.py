"""The database for one scenario after another."""

import itertools
import time
from pathlib import Path

from sqlalchemy import delete, event, text

from breakwall import crashpoints
from breakwall.payments.db.database import Database
from breakwall.payments.db.migrate import upgrade
from breakwall.payments.db.schema import metadata, site
from tests.chaos.crashes import worker
from tests.chaos.crashes.child import DOOMED, ChildRun, run_in_child
from tests.chaos.crashes.file_services import PROFILES, SETTLE_SECONDS, Behavior
from tests.chaos.crashes.pipeline import DurableState, Pipeline
from tests.chaos.crashes.scenarios import CrashScenario

PAID_BEFORE = "cart-0"  # The key of an order that every scenario finds already paid.


class CrashEnvironment:
    """A database that is emptied for each scenario, and a folder for all else that survives a process."""

    def __init__(self, url: str, folder: Path) -> None:
        worker.prepare()
        self.database = Database(url)
        self._folders = (folder / str(number) for number in itertools.count())
        if self._is_sqlite:
            event.listen(self.database.engine, "connect", _switch_off_synchronization)
        upgrade(self.database.engine)

    def durable(self, scenario: CrashScenario, profile: str) -> DurableState:
        """An empty state, except for one order that was paid long ago: look-ups can be tested with it."""
        with self.database.engine.begin() as connection:
            for table in reversed(metadata.sorted_tables):
                if table is not site:
                    connection.execute(delete(table))
        folder = next(self._folders)
        folder.mkdir()
        durable = DurableState(
            self.database,
            folder,
            PROFILES[profile],
            (Behavior.CHARGE, *scenario.behaviors),
            max_attempts=scenario.max_attempts,
            begins=SETTLE_SECONDS + 1,
        )
        Pipeline(durable, 0.0).place(PAID_BEFORE)
        return durable

    def run_here(self, scenario: CrashScenario, durable: DurableState) -> ChildRun:
        """Run a scenario to its end, in this process."""
        pipeline = Pipeline(durable)
        points: list[str] = []
        crashpoints.arm(points.append)
        try:
            scenario.run(pipeline)
        finally:
            crashpoints.arm(None)
        return ChildRun(points, False, pipeline.seconds)

    def run_until_death(
        self, scenario: CrashScenario, durable: DurableState, die_at: int | str, *, since: float | None = None
    ) -> ChildRun:
        """Run a scenario in a process that dies on its way; returns when the database has noticed."""
        if self._is_sqlite:
            self.database.close()  # SQLite's locks do not survive a fork
        pipeline = Pipeline(durable, since)
        execution = run_in_child(
            lambda: scenario.run(pipeline), die_at=die_at, seconds=lambda: pipeline.seconds
        )
        if not self._is_sqlite:
            self._wait_until_noticed()
        return execution

    def _wait_until_noticed(self) -> None:
        """PostgreSQL notices a client's death a moment later; until then its locks are held."""
        clients = text("SELECT count(*) FROM pg_stat_activity WHERE application_name = :name")
        deadline = time.monotonic() + 10
        with self.database.engine.connect() as connection:
            while connection.scalar(clients, {"name": DOOMED}):
                assert time.monotonic() < deadline, "PostgreSQL still lists a dead client"
                time.sleep(0.001)
                connection.rollback()

    @property
    def _is_sqlite(self) -> bool:
        return self.database.engine.dialect.name == "sqlite"


def _switch_off_synchronization(connection: object, _: object) -> None:
    # Here processes die, never the machine: the kernel keeps what they have written.
    connection.execute("PRAGMA synchronous=OFF")  # type: ignore[attr-defined]  # a DBAPI connection
