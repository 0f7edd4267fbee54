"""The steps of a worker's start: the ways to the shop are known before an order can end."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

from sqlalchemy import select

from breakwall.payments.db.errors import DatabaseUnavailableError
from breakwall.payments.db.schema import destinations
from breakwall.settings import load_settings
from breakwall.worker.runtime import Runtime
from breakwall.worker.startup.steps import BACKGROUND_STEPS, DrainStep, OutcomeStep

SETTINGS = {
    "BREAKWALL_OUTCOMES__WEBHOOK_URL": "https://shop.example/hook",
    "BREAKWALL_OUTCOMES__WEBHOOK_SECRET": "whsec_" + "YWFh" * 8,
}


def known_at_the_start_of_deliveries(runtime: Runtime) -> list[str] | None:
    """Run the step, and return the ways that the database knew when it started them; None without a database."""
    found: list[list[str] | None] = []

    def note() -> None:
        try:
            query = select(destinations.c.name)
            found.append(runtime.database.read(lambda connection: list(connection.scalars(query))))
        except DatabaseUnavailableError:
            found.append(None)

    vars(runtime)["outcome_process"] = SimpleNamespace(start=note)
    OutcomeStep(None).start(SimpleNamespace(app=SimpleNamespace(breakwall=runtime)))
    [known] = found
    return known


def test_a_way_is_known_before_its_deliveries_start(tmp_path: Path) -> None:
    runtime = Runtime(load_settings({**SETTINGS, "BREAKWALL_DATA_DIR": str(tmp_path)}))
    assert known_at_the_start_of_deliveries(runtime) == ["webhook"]
    runtime.database.close()


def test_without_a_database_the_deliveries_start_all_the_same(tmp_path: Path) -> None:
    missing = f"sqlite:///{tmp_path / 'missing.db'}"
    runtime = Runtime(load_settings({**SETTINGS, "BREAKWALL_DATABASE_URL": missing}))
    assert known_at_the_start_of_deliveries(runtime) is None


def test_the_ways_are_known_before_the_drain_starts() -> None:
    assert BACKGROUND_STEPS.index(OutcomeStep) < BACKGROUND_STEPS.index(DrainStep)
    assert OutcomeStep.name in [getattr(one, "name", one) for one in DrainStep.requires]
