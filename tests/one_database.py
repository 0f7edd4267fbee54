"""Which tests run on only one of the two databases. ``EVERY_CASE=1`` runs each test on both.

Each statement that we send runs on SQLite and on PostgreSQL in some test. To run each case of each test on both, too,
would double the time and say no more. So of a test with several cases, each case runs on one of the two, half of the
cases on each.
"""

from __future__ import annotations

import zlib
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.every_case import every_case

DATABASES = {"sqlite", "postgres"}

ON_BOTH = ("contract/breaker", "contract/migrations", "contract/payments/db", "integration/payments/db")
"""Folders whose tests are about the databases themselves: each case runs on both, as with the mark `both_databases`."""

ON_ONE = (
    "contract/payments/operator",
    "contract/payments/reconciliation",
    "contract/payments/test_charging.py",
    "contract/payments/test_rewording.py",
    "contract/payments/test_verification.py",
    "contract/producers",
    "contract/worker",
)
"""Where the tests are about what is done around the statements of others: also a test without cases runs once.

The mark `one_database` says the same of a test.
"""

TESTS = Path(__file__).parent


def select(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what runs on the other database, unless all is asked for, or one test by its name."""
    if every_case() or "not server" in config.option.markexpr or _names_a_case(config):
        return
    left_out = set(_left_out(items))
    if left_out:
        config.hook.pytest_deselected(items=[item for item in items if item in left_out])
        items[:] = [item for item in items if item not in left_out]


def _names_a_case(config: pytest.Config) -> bool:
    return any("[" in argument for argument in config.args)


def _left_out(items: list[pytest.Item]) -> Iterable[pytest.Item]:
    for test, cases in _tests_of_databases(items).items():
        one_is_enough = test.startswith(ON_ONE) or _is_for_one(cases)
        both = {case: found for case, found in cases.items() if found.keys() == DATABASES}
        if len(both) < 2 and not one_is_enough:
            continue
        # By a hash: in the order of the parameters, one value of a parameter would always meet the same database.
        for rank, case in enumerate(sorted(both, key=lambda case: _hash(f"{test} {case}")), _hash(test)):
            yield both[case]["sqlite" if rank % 2 else "postgres"]


def _tests_of_databases(items: list[pytest.Item]) -> dict[str, dict[str, dict[str, pytest.Item]]]:
    """The items of each test by their case, and of each case by the database."""
    tests: dict[str, dict[str, dict[str, pytest.Item]]] = defaultdict(lambda: defaultdict(dict))
    for item in items:
        parameters = getattr(item, "callspec", None)
        names = [name for name, value in parameters.params.items() if _is_one(value)] if parameters else []
        if parameters and len(names) == 1 and not _is_for_both(item):
            database = parameters.params[names[0]]
            tests[_name(item)][_without(database, parameters.id)][database] = item
    return tests


def _is_for_both(item: pytest.Item) -> bool:
    return _name(item).startswith(ON_BOTH) or item.get_closest_marker("both_databases") is not None


def _is_for_one(cases: dict[str, dict[str, pytest.Item]]) -> bool:
    return any(item.get_closest_marker("one_database") for found in cases.values() for item in found.values())


def _without(database: str, case: str) -> str:
    parts = case.split("-")
    if database in parts:
        parts.remove(database)
    return "-".join(parts)


def _is_one(value: object) -> bool:
    return isinstance(value, str) and value in DATABASES


def _name(item: pytest.Item) -> str:
    return f"{item.path.relative_to(TESTS).as_posix()}::{item.nodeid.partition('::')[2].partition('[')[0]}"


def _hash(text: str) -> int:
    return zlib.crc32(text.encode())
