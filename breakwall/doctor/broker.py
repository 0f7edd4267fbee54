"""Checks the broker: the configured one, or the embedded one."""

import socket
from contextlib import closing
from pathlib import Path

from breakwall.broker.checks.run import check_queue, check_writing
from breakwall.broker.depth import queue_depth
from breakwall.broker.embedded.folder import BrokerNotStartedError, ServerFolder
from breakwall.broker.embedded.server import NoServerProgramError, find_server_program
from breakwall.broker.errors import BrokerRefusesError, WrongQueueError
from breakwall.doctor.findings import Finding, fine, problem
from breakwall.payments.db.clock import DATABASE_CLOCK
from breakwall.payments.db.database import Database, DatabaseUnavailableError
from breakwall.payments.fleet.workers import live_workers
from breakwall.settings import Settings
from breakwall.terminal.words import count
from breakwall.texts import MAX_LENGTH, visible
from breakwall.urls.address import where
from breakwall.urls.databases import missing_file

NAME = "broker"

_OTHER_BROKER = (
    "A worker of a shop's Celery app reads the app's broker: then set BREAKWALL_BROKER_URL to that one."
)


def broker(settings: Settings) -> list[Finding]:
    """Whether the broker answers, takes messages, and has the right queue."""
    if settings.embedded_broker:
        return embedded_broker(settings)
    address = where(settings.broker)
    try:
        check_queue(settings)
        check_writing(settings)
    except WrongQueueError as error:
        what, _, advice = str(error).partition(". ")
        return [problem(NAME, f"{address}: {what}", f"{advice}.")]
    except BrokerRefusesError as error:
        return [problem(NAME, f"{address}: the broker refuses: {error}", error.advice)]
    depth = queue_depth(settings)
    if depth is None:
        advice = "Check BREAKWALL_BROKER_URL and that the broker runs. Until then orders wait safely."
        return [problem(NAME, f"{address} does not answer", advice)]
    return [fine(NAME, f"{address} answers; {depth:,} messages wait")]


def embedded_broker(settings: Settings) -> list[Finding]:
    """Its program, its server, and the damaged files that were kept."""
    try:
        folder = ServerFolder(settings.home)
        program = find_server_program()
    except BrokerNotStartedError as error:
        return [problem(NAME, str(error), "Until then no worker starts; orders wait safely.")]
    except NoServerProgramError as error:
        return [problem(NAME, "no server program for the embedded broker", str(error))]
    unused = "Examine it or delete it: Breakwall does not use it."
    kept = [fine(NAME, f"damaged files are kept: {path}", unused) for path in folder.kept()]
    return [_server(settings, folder, program), *kept]


def _server(settings: Settings, folder: ServerFolder, program: Path) -> Finding:
    if folder.says_that_nothing_can_be_written():
        return problem(NAME, "embedded and running, but it cannot write to its disk", _make_room(folder))
    if not folder.speaks():
        return _not_running(settings, folder, program)
    depth = queue_depth(settings)
    if depth is None:
        detail = "embedded and running, but it does not serve"
        return problem(NAME, detail, f"See {folder.log}; orders wait safely.")
    return fine(NAME, f"embedded and running; {depth:,} messages wait")


def _not_running(settings: Settings, folder: ServerFolder, program: Path) -> Finding:
    if not folder.has_room:
        return problem(NAME, "embedded, not running: its disk is full", _make_room(folder))
    alive = _live_workers_here(settings)
    if alive:
        verb, whose = ("is", "its") if alive == 1 else ("are", "their")
        detail = f"{count(alive, 'worker')} {verb} alive, but {whose} embedded broker does not run"
        return problem(
            NAME, detail, f"See {folder.log} and the worker's log; orders wait safely. {_OTHER_BROKER}"
        )
    return fine(NAME, f"embedded, not running: a worker starts it ({program})")


def _make_room(folder: ServerFolder) -> str:
    return (
        f"Make room on the disk of {folder.files}. The broker then continues by itself; orders wait safely."
    )


def _live_workers_here(settings: Settings) -> int:
    """Live workers on this machine; 0 if the database does not answer, which another check reports."""
    if missing_file(settings.database):
        return 0
    here = visible(socket.gethostname())[:MAX_LENGTH]
    try:
        with closing(Database(settings.database)) as opened:
            found = opened.read(lambda connection: live_workers(connection, DATABASE_CLOCK))
    except DatabaseUnavailableError:
        return 0
    return sum(worker.host == here for worker in found)
