"""The limits of `breakwall backlog --fail-over`. The age is that of due orders: a backoff is no alarm."""

from __future__ import annotations

from dataclasses import replace

import pytest
import typer

from breakwall.cli.backlog.limits import Limits
from breakwall.monitor.counts import Counted
from tests.unit.monitor.snapshots import OUTAGE

LATE = replace(OUTAGE, oldest_due_age_seconds=18.0)


def test_limits_are_read_from_their_text() -> None:
    assert Limits.parse("depth=100, age=1.5") == Limits(depth=100, age=1.5)
    assert Limits.parse("age=60") == Limits(age=60)


@pytest.mark.parametrize("text", ["", "depth", "depth=", "depth=-1", "depth=inf", "size=1", "age=1,age=2"])
def test_limits_that_make_no_sense_are_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter):
        Limits.parse(text)


def test_a_backlog_at_its_limits_is_within_them() -> None:
    assert Limits(depth=1284, age=18).exceeded_by(LATE) == []


def test_each_limit_that_is_exceeded_has_its_sentence() -> None:
    assert Limits(depth=1283, age=17.5).exceeded_by(LATE) == [
        "1,284 orders wait; the limit is 1,283",
        "the oldest due order has been due for 18 s; the limit is 17.5 s",
    ]


def test_an_order_that_waits_for_its_backoff_exceeds_no_age() -> None:
    assert Limits(age=1).exceeded_by(OUTAGE) == []


def test_a_limit_that_a_lower_bound_exceeds_is_exceeded() -> None:
    seen = replace(OUTAGE, queued=140_000, counted=Counted.AT_LEAST)
    assert Limits(depth=120_000).exceeded_by(seen) == ["at least 140,000 orders wait; the limit is 120,000"]
    assert Limits(depth=0).exceeded_by(replace(OUTAGE, queued=1)) == ["1 order waits; the limit is 0"]


@pytest.mark.parametrize(
    ("limits", "exact"), [(Limits(), 0), (Limits(depth=2e6), 2_000_000), (Limits(depth=1e18), 2 * 10**9)]
)
def test_the_count_is_exact_up_to_the_limit(limits: Limits, exact: int) -> None:
    assert limits.exact == exact
