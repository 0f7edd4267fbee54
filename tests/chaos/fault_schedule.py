"""Which faults occur, and when: endless lists from one seed.

The kinds of a list are shuffled again and again, so each occurs once before one occurs a second time.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class InjectedFault:
    """One fault."""

    name: str  # In the report.
    target: float  # From 0 to 1; chooses among several processes.
    seconds: float  # How long it lasts, if it lasts.
    pause: float  # Seconds from this fault to the next one of its list.
    settings: dict[str, Any]  # Of the payment service, for `SimulatorControl.set_faults`.


KILL_WORKER, FREEZE_WORKER = "worker killed -9", "worker frozen past its lease"
KILL_PRODUCER, FREEZE_PRODUCER = "producer killed -9", "producer frozen"
PROCESSES = (*[KILL_WORKER] * 4, *[KILL_PRODUCER] * 3, FREEZE_WORKER, FREEZE_PRODUCER)

RESTART_DATABASE, ABORT_DATABASE = "PostgreSQL restarted", "PostgreSQL stopped at once"
KILL_DATABASE, FREEZE_DATABASE = "PostgreSQL killed -9", "PostgreSQL frozen"
DATABASE = (RESTART_DATABASE, ABORT_DATABASE, KILL_DATABASE, FREEZE_DATABASE)
FILL_DATABASE, PANIC_DATABASE = "PostgreSQL's disk full", "PostgreSQL's disk full, also for its log"
DATABASES_DISK = (FILL_DATABASE, PANIC_DATABASE)  # Only for one that has a small disk of its own.

RESTART_POOLER, KILL_POOLER, FREEZE_POOLER = "pooler restarted", "pooler killed -9", "pooler frozen"
POOLER = (RESTART_POOLER, KILL_POOLER, FREEZE_POOLER)

KILL_BROKER, FREEZE_BROKER = "broker killed -9", "broker frozen"
STOP_BROKER, WIPE_BROKER = "broker stopped", "broker wiped"
DEMOTE_BROKER, FILL_BROKER = "broker made a replica", "broker full"
BARE_BROKER = "broker without a right"
FAIL_OVER, DELETE_QUEUE = "broker failed over", "queue deleted twice"
DAMAGE_FILES, REMOVE_FILES = "broker's files damaged", "broker's folder removed"
HAND_OVER = "broker's primary and replica swapped"
FILL_BROKERS_DISK, ALARM_BROKER = "broker's disk full", "broker's disk alarm raised"
CLOSE_CONNECTIONS, STOP_APP = "broker's connections closed", "broker's application stopped"
# Without a queue of another type: a worker ends at its start if it finds one, and says what to do.
ERROR_REPLIES = (FILL_BROKER, BARE_BROKER)
BROKERS = {
    "redis": (KILL_BROKER, FREEZE_BROKER, WIPE_BROKER, DEMOTE_BROKER, *ERROR_REPLIES),
    "sentinel": (FAIL_OVER, HAND_OVER, KILL_BROKER, *ERROR_REPLIES),
    # No kill -9: a quorum queue that was declared seconds ago does not survive it (rabbitmq-server#10070).
    "rabbitmq": (
        *(STOP_BROKER, FREEZE_BROKER, WIPE_BROKER, DELETE_QUEUE, DELETE_QUEUE),
        *(ALARM_BROKER, CLOSE_CONNECTIONS, STOP_APP),
    ),
    "embedded": (KILL_BROKER, DAMAGE_FILES, REMOVE_FILES),
}
BROKERS_DISK = (FILL_BROKERS_DISK,)  # Only for one that has a small disk of its own.

NO_FAULT, EVERYTHING = "no fault", "everything at once"
KILL_SERVICE, DOWN = "payment service killed -9", "payment service down"
SERVICE: dict[str, dict[str, Any]] = {
    NO_FAULT: {},
    "charge, then reset": {"charge_then_fail": 0.5, "charge_then_fail_how": "reset"},
    "charge, then error": {"charge_then_fail": 0.5, "charge_then_fail_how": "error"},
    "charge, then silence": {"charge_then_fail": 0.4, "charge_then_fail_how": "hang"},
    "garbage": {"garbage": 0.5},
    "drip": {"drip": 0.4, "drip_interval": 0.2},
    "silence": {"hang": 0.4},
    "500": {"error_rate": 0.5},
    "503 with Retry-After": {"error_rate": 0.5, "error_status": 503, "error_retry_after": 1.0},
    "429 with Retry-After": {"throttle": {"rate_per_second": 5.0, "retry_after": 1.0}},
    EVERYTHING: {
        "charge_then_fail": 0.3,
        "garbage": 0.2,
        "drip": 0.2,
        "drip_interval": 0.2,
        "hang": 0.1,
        "error_rate": 0.2,
    },
    DOWN: {"down": True},
    KILL_SERVICE: {},
}
ALWAYS: dict[str, Any] = {"latency": [0.005, 0.15], "decline_rate": 0.04}
"""With every fault, and without any."""


def process_faults(seed: int) -> Iterator[InjectedFault]:
    """Workers and producers."""
    return _shuffled(seed, PROCESSES, pauses=(0.8, 2.4), lasting=(1.0, 3.0))


def database_faults(seed: int, *, small_disk: bool) -> Iterator[InjectedFault]:
    """PostgreSQL, which takes about a second to come back."""
    kinds = (*DATABASE, *(DATABASES_DISK if small_disk else ()))
    return _shuffled(seed, kinds, pauses=(1.5, 4.0), lasting=(0.1, 1.5))


def pooler_faults(seed: int) -> Iterator[InjectedFault]:
    """The pooler, which is back at once."""
    return _shuffled(seed, POOLER, pauses=(3.0, 6.0), lasting=(0.1, 1.0))


def broker_faults(seed: int, broker: str, *, small_disk: bool) -> Iterator[InjectedFault]:
    """The broker. RabbitMQ and a failover take seconds to come back, so the pauses are longer."""
    kinds = (*BROKERS[broker], *(BROKERS_DISK if small_disk else ()))
    pauses = (4.0, 8.0) if broker in {"rabbitmq", "sentinel"} else (1.5, 4.0)
    return _shuffled(seed, kinds, pauses=pauses, lasting=(0.1, 2.0))


def service_faults(seed: int) -> Iterator[InjectedFault]:
    """The payment service. "No fault" comes twice as often as each of the others."""
    return _shuffled(seed, (*SERVICE, NO_FAULT), pauses=(0.8, 2.2), lasting=(0.0, 0.0))


def _shuffled(
    seed: int, kinds: Sequence[str], *, pauses: tuple[float, float], lasting: tuple[float, float]
) -> Iterator[InjectedFault]:
    rng = random.Random(f"{seed}:{','.join(kinds)}")
    while True:
        for name in rng.sample(kinds, len(kinds)):
            target, seconds, pause = rng.random(), rng.uniform(*lasting), rng.uniform(*pauses)
            yield InjectedFault(name, target, seconds, pause, {**ALWAYS, **SERVICE.get(name, {})})
