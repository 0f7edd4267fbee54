"""Several samples as one keep what lasted for seconds."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from breakwall.monitor.history.sample import Sample, merged
from tests.unit.monitor.snapshots import NOON

CALM = Sample(at=NOON, span=10.0, queued=0, due=0, in_flight=0, review=0, dead=0, workers=2)
OUTAGE = replace(
    CALM,
    at=NOON + timedelta(seconds=10),
    queued=900,
    due=800,
    oldest_age_seconds=9.0,
    arrivals=900,
    breaker="open",
    open_share=0.5,
    override="forced_open",
    workers=1,
)
LATER = replace(CALM, at=NOON + timedelta(seconds=20), paid=890, declined=10, broker_messages=4, limit=3)


def test_depths_and_ages_are_the_largest() -> None:
    one = merged([CALM, OUTAGE, LATER])
    assert (one.queued, one.due, one.oldest_age_seconds, one.broker_messages) == (900, 800, 9.0, 4)


def test_orders_that_arrived_and_ended_are_summed() -> None:
    one = merged([CALM, OUTAGE, LATER])
    assert (one.span, one.arrivals, one.paid, one.declined) == (30.0, 900, 890, 10)


def test_the_worst_state_and_the_share_of_the_time_stay() -> None:
    one = merged([CALM, OUTAGE, LATER])
    assert (one.breaker, one.override, one.workers, one.limit) == ("open", "forced_open", 1, 3)
    assert one.open_share == pytest.approx(5 / 30)


def test_it_stands_at_the_end_of_its_time() -> None:
    assert merged([CALM, OUTAGE, LATER]).at == LATER.at


def test_what_was_stored_is_read_as_it_was() -> None:
    assert Sample.stored(OUTAGE.at, OUTAGE.span, OUTAGE.numbers()) == OUTAGE


def test_numbers_that_only_a_later_version_knows_are_left_out() -> None:
    numbers = json.dumps({**json.loads(CALM.numbers()), "of_the_future": 1})
    assert Sample.stored(CALM.at, CALM.span, numbers) == CALM
