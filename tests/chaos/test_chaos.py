"""A short chaos run, with another seed each time; `make chaos` makes a long one."""

import os
import random

import pytest

from tests.chaos.brokers import RedisBroker
from tests.chaos.deployment import Load
from tests.chaos.report import report
from tests.chaos.result import ChaosResult
from tests.chaos.run import ChaosRun
from tests.servers import PostgresServer, RedisServer, Workspace

SECONDS = 12.0
ORDERS = 300


@pytest.mark.timeout(120)
def test_a_chaos_run_over_real_processes_loses_no_order_and_charges_none_twice(
    workspace: Workspace, postgres_server: PostgresServer, redis_server: RedisServer
) -> None:
    """A failure names its seed; BREAKWALL_TEST_SEED repeats that run."""
    seed = int(os.environ.get("BREAKWALL_TEST_SEED") or random.SystemRandom().randrange(1_000_000))
    run = ChaosRun(
        workspace,
        postgres_server,
        RedisBroker(redis_server),
        Load(ORDERS, SECONDS, seed, producers=2, workers=2),
        recovery=60.0,
    )
    try:
        result = run.execute()
    except Exception as error:
        error.add_note(f"seed {seed}")
        raise
    finally:
        run.close()
    assert result.holds, f"seed {seed}\n{report(result, seconds=SECONDS)}"
    assert result.accepted == ORDERS
    assert times_of(result, "killed -9") > 0
    assert times_of(result, "PostgreSQL") > 0
    assert times_of(result, redis_server.name) > 0
    assert result.counts["messages delivered again"] > 0


def times_of(result: ChaosResult, fault: str) -> int:
    """How often something of this kind was caused."""
    return sum(times for name, times in result.caused.items() if fault in name)
