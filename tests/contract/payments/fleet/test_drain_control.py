"""Pause and rate of the drain: who, why, since when and until when, for every process, and what people did."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select

from breakwall.payments.db.schema import drain_actions
from breakwall.payments.fleet.drain_control import DrainControl, DrainState, Pause, effective_rate
from breakwall.payments.interventions import Author
from tests.contract.people import ANNA
from tests.contract.site import Site

BERT = Author("bert", "it takes longer")


@pytest.fixture
def control(site: Site) -> DrainControl:
    return DrainControl(site.database, clock=site.clock)


def actions(site: Site) -> list[tuple[str, str, str | None, float | None]]:
    rows = site.database.read(
        lambda connection: connection.execute(select(drain_actions).order_by(drain_actions.c.id)).all()
    )
    return [(row.action, row.actor, row.reason, row.rate) for row in rows]


def test_at_first_nothing_is_paused_and_nothing_is_limited(control: DrainControl) -> None:
    assert control.read() == DrainState()


def test_a_pause_says_who_why_and_since_when_to_every_process(site: Site, control: DrainControl) -> None:
    paused = control.pause(ANNA)
    assert paused.paused == Pause(ANNA.actor, ANNA.reason, site.clock.now)
    assert DrainControl(site.database, clock=site.clock).read() == paused


def test_another_pause_changes_all_but_the_beginning(site: Site, control: DrainControl) -> None:
    began = site.clock.now
    control.pause(ANNA, 60.0)
    site.advance(10.0)
    assert control.pause(BERT).paused == Pause("bert", "it takes longer", began)


def test_a_pause_with_an_end_ends_by_itself(site: Site, control: DrainControl) -> None:
    until = site.clock.now + timedelta(seconds=60)
    assert control.pause(ANNA, 60.0).paused == Pause(ANNA.actor, ANNA.reason, site.clock.now, until)
    site.advance(59.9)
    assert control.read().paused is not None
    site.advance(0.1)
    assert control.read().paused is None


def test_a_pause_after_one_that_has_ended_is_a_new_one(site: Site, control: DrainControl) -> None:
    control.pause(ANNA, 60.0)
    site.advance(61.0)
    assert control.pause(BERT).paused == Pause("bert", "it takes longer", site.clock.now)


def test_a_resumed_drain_is_not_paused_and_resuming_it_again_changes_nothing(
    site: Site, control: DrainControl
) -> None:
    control.pause(ANNA)
    assert control.resume(BERT) == control.resume(BERT) == DrainState()
    assert [action for action, *_ in actions(site)] == ["pause", "resume"]


def test_a_rate_says_who_and_why_and_outlives_a_pause(site: Site, control: DrainControl) -> None:
    control.set_rate(ANNA, 12.5)
    control.pause(BERT)
    rate = control.resume(BERT).rate
    assert rate is not None
    assert (rate.per_second, rate.actor, rate.reason, rate.at) == (
        12.5,
        ANNA.actor,
        ANNA.reason,
        site.clock.now,
    )


def test_a_rate_that_is_lifted_leaves_no_limit(site: Site, control: DrainControl) -> None:
    control.set_rate(ANNA, 5.0)
    assert control.set_rate(BERT, None) == control.set_rate(BERT, None) == DrainState()
    assert actions(site) == [("rate", *astuple(ANNA), 5.0), ("rate", *astuple(BERT), None)]


def test_every_change_is_kept_with_its_author(site: Site, control: DrainControl) -> None:
    control.pause(ANNA, 60.0)
    control.resume(BERT)
    assert actions(site) == [("pause", *astuple(ANNA), None), ("resume", *astuple(BERT), None)]


def test_of_two_limits_the_lower_holds(control: DrainControl) -> None:
    state = control.set_rate(ANNA, 5.0)
    assert [effective_rate(state, setting) for setting in (None, 3.0, 7.0)] == [5.0, 3.0, 5.0]
    assert [effective_rate(DrainState(), setting) for setting in (None, 3.0)] == [None, 3.0]


def astuple(author: Author) -> tuple[str, str | None]:
    return author.actor, author.reason
