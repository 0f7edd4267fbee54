"""The scenarios of `make bench`, each in a small version, with bounds that other work on the machine does not break.

What is counted has the bound of the benchmark itself: calls, commands, re-openings. What is timed has a wide one.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from dataclasses import replace

import pytest

from bench.harness.rows import Reach, Row, table
from bench.harness.site import Machine
from tests.every_case import every_case
from tests.servers import UnavailableError, not_available

WIDE = {
    ("hang", "answered within 1 s, of 200"): Reach(at_least=120),
    ("hang", "the slowest answer, s"): Reach(at_most=5),
    ("hang", "other pages, p99, s"): Reach(at_most=1),
    # On a busy machine a pause is the machine's. A loop that waited for the hanging service would stand still for
    # seconds. One that computes too long has too much CPU in one piece: that row keeps the benchmark's bound.
    ("hang_async", "the loop's longest pause, ms"): Reach(at_most=1500),
    ("hang_async", "the slowest answer, s"): Reach(at_most=5),
    ("tails", "queued, %: p99 = 10 × the median"): Reach(at_most=2),
    ("tails", "queued, %: 2 % take 3 s"): Reach(at_most=2),
    ("outage", "the worker's cores"): Reach(at_most=0.1),
    ("outage_million", "the worker's cores"): Reach(at_most=0.1),
    ("drain", "time, × ideal"): Reach(at_most=1.5, ratio=True),
    ("drain", "worker's CPU of an order, ms"): Reach(at_most=1.2, ratio=True),
    ("drain_64", "time, × ideal"): Reach(at_most=1.5, ratio=True),
    ("drain_64", "orders a second"): Reach(at_least=150),
    ("drain_sqlite", "time, × ideal"): Reach(at_most=6),
    ("place", "closed: CPU of an order, ms"): Reach(at_most=3.6),
    ("place", "closed: p90, ms"): Reach(at_most=400),
    ("place", "open: orders a second"): Reach(at_least=0.6, ratio=True),
    ("enqueue", "orders a second"): Reach(at_least=3.5, ratio=True),
    ("collapse", "time, × ideal"): Reach(at_most=8),
    ("collapse", "most calls at once / places"): Reach(at_most=2),
    ("collapse", "wasted calls, %"): Reach(at_most=2),
    # One collapse in a drain of some seconds is more than one in a hundred of the customers.
    ("collapse_live", "live p99, ms"): Reach(at_most=150, ratio=True),
    ("collapse_live", "live orders queued, %"): Reach(at_most=20),
    ("throttled", "time, × ideal"): Reach(at_most=4),
    ("throttled", "refused, %"): Reach(at_most=6),
    ("backlog_million", "backlog: s more with 200,000"): Reach(at_most=1.5),
    ("backlog_million", "orders list: s more with 200,000"): Reach(at_most=1.5),
    ("valentine", "customers' p99, s"): Reach(at_most=5),
    ("valentine", "other pages, p99, s"): Reach(at_most=1),
}
"""Bounds that are wider than the benchmark's own."""

NOT_YET: dict[str, str] = {}
"""What a scenario still lacks. Strict: who builds it takes the line out."""

SCENARIOS = ("hang", "outage_million", "drain", "place", "enqueue", "collapse")

MORE_SCENARIOS = (
    *("tails", "hang_async", "outage", "drain_64", "drain_sqlite"),
    *("collapse_live", "throttled", "backlog_million", "valentine"),
)
"""Each takes long and is near to one above: they run with all cases, and in `make bench`."""

pytestmark = [pytest.mark.timeout(240), pytest.mark.server]


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    try:
        machine = Machine()
    except UnavailableError as error:
        not_available("PostgreSQL or Redis", str(error))
    with machine:
        yield machine


def marked(name: str) -> object:
    lacks = NOT_YET.get(name)
    marks = [pytest.mark.xfail(reason=lacks, raises=AssertionError)] if lacks else []
    if name in MORE_SCENARIOS and not every_case():
        marks.append(pytest.mark.skip(reason="EVERY_CASE=1 runs it"))
    return pytest.param(name, marks=marks, id=name)


@pytest.mark.parametrize("name", [marked(name) for name in (*SCENARIOS, *MORE_SCENARIOS)])
def test_a_small_version_of_the_scenario_holds_each_of_its_rows(machine: Machine, name: str) -> None:
    scenario = importlib.import_module(f"bench.scenarios.{name}")
    rows = [widened(row) for row in scenario.run(machine, scenario.SMALL)]
    assert rows
    broken = [row for row in rows if row.held is False]
    assert not broken, f"\n{table(broken)}"


def widened(row: Row) -> Row:
    return replace(row, reach=WIDE.get((row.scenario, row.what), row.reach))


def test_each_wide_bound_is_of_a_scenario_that_runs() -> None:
    assert {scenario for scenario, _ in WIDE} <= {*SCENARIOS, *MORE_SCENARIOS}
