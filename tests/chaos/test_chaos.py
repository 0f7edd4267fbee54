"""A short storm over real processes, another one in each run of the suite; `make chaos` raises a long one."""

from __future__ import annotations

import os
import random

import pytest

from tests.chaos.storm import Storm
from tests.chaos.storm_brokers import RedisBroker
from tests.chaos.storm_report import report
from tests.chaos.storm_verdict import Verdict
from tests.servers import PostgresServer, RedisServer, Workshop

SECONDS = 12.0
ORDERS = 300


@pytest.mark.timeout(120)
def test_a_storm_over_real_processes_loses_no_order_and_charges_none_twice(
    workshop: Workshop, postgres_server: PostgresServer, redis_server: RedisServer
) -> None:
    """The seed is printed with a failure; BREAKWALL_TEST_SEED repeats that storm."""
    seed = int(os.environ.get("BREAKWALL_TEST_SEED") or random.SystemRandom().randrange(1_000_000))
    storm = Storm(
        workshop,
        postgres_server,
        RedisBroker(redis_server),
        orders=ORDERS,
        seconds=SECONDS,
        seed=seed,
        producers=2,
        workers=2,
        calm=60.0,
    )
    try:
        verdict = storm.run()
    except Exception as error:
        error.add_note(f"seed {seed}")
        raise
    finally:
        storm.close()
    assert verdict.holds, f"seed {seed}\n{report(verdict, seconds=SECONDS)}"
    assert verdict.accepted == ORDERS
    assert fell(verdict, "killed -9") > 0
    assert fell(verdict, "PostgreSQL") > 0
    assert fell(verdict, redis_server.name) > 0
    assert verdict.counts["messages delivered again"] > 0


def fell(verdict: Verdict, blow: str) -> int:
    """How often something of this kind was caused."""
    return sum(times for name, times in verdict.caused.items() if blow in name)
