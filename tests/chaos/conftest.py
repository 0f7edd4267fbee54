"""Which of the crash tests run."""

from __future__ import annotations

import pytest

from tests.every_case import chosen

MATRIX = "test_whatever_point_the_process_dies_at_every_order_is_finished_once"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Die at each point on one of the two databases: both take several minutes."""
    other = [item for item in items if item.name.startswith(MATRIX) and not _is_chosen(item.name)]
    if other:
        config.hook.pytest_deselected(items=other)
        items[:] = [item for item in items if item not in set(other)]


def _is_chosen(name: str) -> bool:
    """Each profile and scenario goes to the same database each time, half of them to each."""
    database, _, rest = name.partition("[")[2].partition("-")
    return chosen(rest, ("postgres", "sqlite").index(database), 2)
