"""Checks the workers: whether one is alive, and whether the waiting orders make progress."""

from contextlib import closing

from breakwall.actors import by_actor
from breakwall.doctor.findings import Finding, fine, problem
from breakwall.monitor.alarms import AlarmKind
from breakwall.monitor.backlog import Backlog, Monitor
from breakwall.payments.db.database import Database, DatabaseUnavailableError, SchemaError
from breakwall.payments.fleet.workers import Worker
from breakwall.settings import Settings
from breakwall.terminal.words import count, duration
from breakwall.urls.databases import missing_file
from breakwall.wiring import inspect_breaker

WORKERS = "workers"
QUEUE = "queue"

START_ONE = "Start one before an order waits: `breakwall worker`."


def workers(settings: Settings) -> list[Finding]:
    """The live workers, their exhausted resources, and the orders that wait for them."""
    if missing_file(settings.database):
        return [_none_needed()]
    # Without `prepare`: the database stays as it is, and another check reports its revision.
    try:
        with closing(Database(settings.database)) as opened, closing(inspect_breaker(settings)) as breaker:
            # The orders first: if the database does not answer, the circuit in it is not waited for.
            opened.read(lambda connection: None)
            seen, fleet = Monitor(opened, breaker, lambda: None).snapshot_with_workers()
    except (DatabaseUnavailableError, SchemaError):
        return [fine(WORKERS, "unknown: repair the orders database first")]
    return [_workers(seen, fleet), *_exhausted(fleet), *_queue(seen)]


def _workers(seen: Backlog, fleet: list[Worker]) -> Finding:
    for alarm in seen.warnings:
        if alarm.kind is AlarmKind.NO_WORKER:
            detail = f"{alarm.message} {_waiting(seen).removesuffix('.')}{_silent(fleet)}"
            return problem(WORKERS, detail, alarm.advice)
    alive = [worker for worker in fleet if worker.alive]
    if not alive:
        return _none_needed(_silent(fleet))
    slots = count(sum(worker.slots for worker in alive), "slot")
    versions = ", ".join(sorted({worker.version for worker in alive}))
    return fine(WORKERS, f"{len(alive):,} alive, with {slots} ({versions}){_silent(fleet)}")


def _none_needed(silent: str = "") -> Finding:
    return fine(WORKERS, f"none is alive, and no order waits{silent}", START_ONE)


def _silent(fleet: list[Worker]) -> str:
    silent = [worker for worker in fleet if not worker.alive]
    if not silent:
        return ""
    newest = min(silent, key=lambda worker: worker.silent_seconds)
    ago = duration(newest.silent_seconds)
    return f"; {len(silent):,} went silent, the last one {ago} ago ({newest.name})"


def _exhausted(fleet: list[Worker]) -> list[Finding]:
    advice = "It continues by itself when the resource is available."
    return [
        problem(WORKERS, f"{worker.name} has exhausted a resource: {worker.lacks}", advice)
        for worker in fleet
        if worker.alive and worker.lacks
    ]


def _queue(seen: Backlog) -> list[Finding]:
    wrong = [
        problem(QUEUE, f"{alarm.message} {_waiting(seen)}", alarm.advice)
        for alarm in seen.warnings
        if alarm.kind not in {AlarmKind.NO_WORKER, AlarmKind.STORE_LOST}  # other findings report these
    ]
    if seen.paused is not None:
        detail = f"paused{by_actor(seen.paused.actor)}: {seen.paused.reason}. {_waiting(seen)}"
        wrong.insert(0, problem(QUEUE, detail, "`breakwall queue resume` ends the pause."))
    return wrong or [fine(QUEUE, _waiting(seen).removesuffix("."))]


def _waiting(seen: Backlog) -> str:
    number = seen.queued + seen.abandoned
    if number == 0:
        return "No order waits."
    verb = "waits" if number == 1 else "wait"
    oldest = f", the oldest for {duration(seen.oldest_age_seconds)}" if seen.queued else ""
    return f"{count(number, 'order')} {verb}{oldest}."
