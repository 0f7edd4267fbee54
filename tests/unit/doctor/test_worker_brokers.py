"""A worker that reads from another broker than the one that this environment publishes to is noticed."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from breakwall.doctor.findings import Finding
from breakwall.doctor.worker_brokers import other_brokers
from breakwall.payments.fleet.workers import Worker

NOW = datetime(2026, 11, 29, tzinfo=UTC)
OURS, HERE = "redis://shop:6379/0", "web-1"
SOCKET = "redis+socket:///srv/.breakwall/broker.sock/0"


def worker(broker: str | None, *, name: str = "celery@w1", host: str = "w1") -> Worker:
    known = {"id": name, "name": name, "host": host, "pid": 1, "slots": 1, "version": "1", "reads": 2}
    moments = {"started_at": NOW, "seen_at": NOW, "idle_since": None}
    told = {"lacks": None, "alive": True, "up_seconds": 1.0, "silent_seconds": 1.0, "idle_seconds": 1.0}
    return Worker(**known, **moments, **told, broker=broker)  # type: ignore[arg-type]


def found(*fleet: Worker, ours: str = OURS, depth: int | None = 0) -> list[Finding]:
    return other_brokers(fleet, ours, HERE, lambda: depth)


def test_workers_of_this_broker_and_those_that_say_nothing_are_no_finding() -> None:
    assert found(worker(OURS), worker(None)) == []
    assert found(worker(SOCKET, host=HERE), ours=SOCKET) == []


@pytest.mark.parametrize(
    "theirs", ["redis://shop:6379/1", "amqp://shop:5672//", "sentinel://shop:26379/m/1", f"{SOCKET[:-1]}1"]
)
def test_another_kind_or_database_is_a_problem(theirs: str) -> None:
    [finding] = found(worker(theirs))
    assert not finding.ok
    assert f"worker celery@w1 reads from {theirs}, and this environment publishes to {OURS}" in finding.detail
    assert "Set BREAKWALL_BROKER_URL" in finding.advice


def test_another_hosts_name_is_a_problem_only_if_nobody_reads_the_messages_that_wait_here() -> None:
    other = worker("redis://cache:6379/0")
    assert [one.ok for one in found(other)] == [True]
    assert [one.ok for one in found(other, depth=None)] == [True]
    assert [one.ok for one in found(other, depth=3)] == [False]
    assert [one.ok for one in found(other, worker(OURS, name="celery@w2"), depth=3)] == [True]
    assert "two names of one broker" in found(other)[0].advice


def test_a_host_is_no_other_name_of_the_embedded_broker() -> None:
    [finding] = other_brokers([worker(OURS)], SOCKET, HERE, lambda: 0, is_embedded=True)
    assert not finding.ok


def test_an_embedded_broker_of_another_machine_may_be_another_one() -> None:
    assert [one.ok for one in found(worker(SOCKET), ours=SOCKET)] == [True]


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        (SOCKET, OURS),
        ("sentinel://shop:26379/m/0", OURS),
        ("redis+socket:///run/broker.sock/0", "redis+socket:///var/run/broker.sock/0"),
    ],
)
def test_two_ways_to_one_redis_are_a_problem_only_if_messages_wait(theirs: str, ours: str) -> None:
    assert [one.ok for one in found(worker(theirs, host=HERE), ours=ours)] == [True]
    assert [one.ok for one in found(worker(theirs, host=HERE), ours=ours, depth=3)] == [False]


@pytest.mark.parametrize("ours", ["redis://localhost:6379/0", "amqp://a:5672,localhost:5672//"])
def test_each_machine_has_a_localhost_of_its_own(ours: str) -> None:
    assert found(worker(ours, host=HERE), ours=ours, depth=3) == []
    assert [one.ok for one in found(worker(ours), ours=ours)] == [True]
    assert [one.ok for one in found(worker(ours), ours=ours, depth=3)] == [False]


def test_workers_of_one_broker_are_one_finding() -> None:
    fleet = [worker("redis://cache:6379/0", name=f"w{number}") for number in range(5)]
    [finding] = found(*fleet)
    assert finding.detail.startswith("workers w0, w1, w2, … read from")
