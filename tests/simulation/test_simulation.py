"""A few hundred new seeds in the ordinary suite; `make simulate` tries many more."""

import os
import secrets
from random import Random

import pytest

from breakwall.breaker.rate_cap import RateCap
from breakwall.payments.decisions import Progress, Step, next_step
from breakwall.payments.gateways import GatewayProfile
from breakwall.payments.retry_policy import RetryPolicy
from tests.simulation.run import RunResult, simulate
from tests.simulation.scenario import Scenario
from tests.simulation.seeds import run_here
from tests.simulation.storage import Storage

SECONDS = float(os.environ.get("SIMULATION_SECONDS", "20"))


@pytest.mark.timeout(SECONDS + 120)
def test_no_order_is_lost_and_none_is_charged_twice_whatever_fails_and_whenever() -> None:
    tally = run_here(secrets.randbelow(2**32), seconds=SECONDS)
    for seed, violation in tally.bad:
        pytest.fail(f"seed {seed}: {violation}\npython -m tests.simulation --seed {seed}", pytrace=False)
    assert tally.charged > 0


def traced(*seeds: int) -> list[RunResult]:
    storage = Storage()
    try:
        return [simulate(seed, storage, keep_trace=True) for seed in seeds]
    finally:
        storage.close()


TOLD = 23  # A seed in which the shop is told.


def test_a_seed_has_the_same_trace_each_time_whatever_ran_before() -> None:
    first, _, again = traced(TOLD, 7, TOLD)
    (alone,) = traced(TOLD)
    assert len(first.lines) > 50
    assert any(" takes evt_" in line for line in first.lines)
    assert first == again == alone


def test_a_pipeline_that_resends_without_looking_first_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """The simulation can fail, and says why."""

    def without_looking(progress: Progress, profile: GatewayProfile, policy: RetryPolicy) -> Step:
        step = next_step(progress, profile, policy)
        return Step.SEND if step is Step.LOOK_UP else step

    monkeypatch.setattr("breakwall.worker.retry.next_step", without_looking)
    storage = Storage()
    try:
        found = (simulate(seed, storage).violation or "" for seed in range(500))
        assert any("charged twice" in violation for violation in found)
    finally:
        storage.close()


def test_workers_that_start_more_calls_than_their_operators_allow_are_found_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(RateCap, "take", lambda *_: 0.0)
    storage = Storage()
    try:
        limited = (seed for seed in range(500) if Scenario.random(Random(seed)).rates)
        found = (simulate(seed, storage).violation or "" for seed in limited)
        assert any("above a rate" in violation for violation in found)
    finally:
        storage.close()
