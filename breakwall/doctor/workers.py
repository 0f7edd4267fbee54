"""The doctor's look at whether anybody is at work: the workers, and whether what waits gets on."""

from __future__ import annotations

from contextlib import closing

from breakwall.doctor.findings import Finding
from breakwall.monitor.alarms import Trouble
from breakwall.monitor.backlog import Backlog, Monitor
from breakwall.payments.db.database import Database, DatabaseUnavailableError, SchemaError
from breakwall.payments.fleet.workers import Worker
from breakwall.settings import Settings
from breakwall.terminal.words import count, duration
from breakwall.urls import missing_file
from breakwall.wiring import look_at_breaker

WORKERS = "workers"
QUEUE = "queue"

START_ONE = "Start one before an order has to wait: `breakwall worker`."


def work(settings: Settings) -> list[Finding]:
    """The workers that are alive, and what waits for them; both are looked at, nothing is changed."""
    if missing_file(settings.database):
        return [_none_needed()]
    # No preparing: the database is told as it is, and what its revision lacks is another check's finding.
    try:
        with closing(Database(settings.database)) as opened, look_at_breaker(settings) as breaker:
            # The orders first: an unreachable database keeps nobody waiting for the circuit in it, too.
            opened.read(lambda connection: None)
            seen, fleet = Monitor(opened, breaker, lambda: None).look()
    except (DatabaseUnavailableError, SchemaError):
        return [Finding(WORKERS, True, "not known: the orders database has to be mended first")]
    return [_workers(seen, fleet), *_lacking(fleet or []), *_queue(seen)]


def _workers(seen: Backlog, fleet: list[Worker] | None) -> Finding:
    if fleet is None:
        return Finding(WORKERS, True, "not known: the database is at a revision before their heartbeats")
    for alarm in seen.warnings:
        if alarm.kind is Trouble.NO_WORKER:
            told = f"{alarm.message} {_waiting(seen).removesuffix('.')}{_silent(fleet)}"
            return Finding(WORKERS, False, told, alarm.advice)
    alive = [worker for worker in fleet if worker.alive]
    if not alive:
        return _none_needed(_silent(fleet))
    slots = count(sum(worker.slots for worker in alive), "slot")
    versions = ", ".join(sorted({worker.version for worker in alive}))
    return Finding(WORKERS, True, f"{len(alive):,} alive, with {slots} ({versions}){_silent(fleet)}")


def _none_needed(silent: str = "") -> Finding:
    return Finding(WORKERS, True, f"none is alive, and nothing waits for one{silent}", START_ONE)


def _silent(fleet: list[Worker]) -> str:
    silent = [worker for worker in fleet if not worker.alive]
    if not silent:
        return ""
    newest = min(silent, key=lambda worker: worker.silent_seconds)
    ago = duration(newest.silent_seconds)
    return f"; {len(silent):,} went silent, the last one {ago} ago ({newest.name})"


def _lacking(fleet: list[Worker]) -> list[Finding]:
    return [
        Finding(
            WORKERS, False, f"{worker.name} lacks something: {worker.lacks}", "It goes on once that is there."
        )
        for worker in fleet
        if worker.alive and worker.lacks
    ]


def _queue(seen: Backlog) -> list[Finding]:
    wrong = [
        Finding(QUEUE, False, f"{alarm.message} {_waiting(seen)}", alarm.advice)
        for alarm in seen.warnings
        if alarm.kind not in {Trouble.NO_WORKER, Trouble.STORE_LOST}  # findings of their own
    ]
    return wrong or [Finding(QUEUE, True, _waiting(seen).removesuffix("."))]


def _waiting(seen: Backlog) -> str:
    number = seen.queued + seen.abandoned
    if number == 0:
        return "No order waits."
    verb = "waits" if number == 1 else "wait"
    oldest = f", the oldest for {duration(seen.oldest_age_seconds)}" if seen.queued else ""
    return f"{count(number, 'order')} {verb}{oldest}."
