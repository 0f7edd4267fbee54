"""Checks the embedded broker: whether it runs, and whether it could."""

import socket
from contextlib import closing
from pathlib import Path

from breakwall.broker.depth import queue_depth
from breakwall.broker.embedded.folder import BrokerNotStartedError, ServerFolder
from breakwall.broker.embedded.server import NoServerProgramError, find_server_program
from breakwall.doctor.findings import Finding, fine, problem
from breakwall.payments.db.clock import DatabaseClock
from breakwall.payments.db.database import Database, DatabaseUnavailableError
from breakwall.payments.fleet.workers import live_workers
from breakwall.settings import Settings
from breakwall.terminal.words import count
from breakwall.texts import MAX_LENGTH, visible
from breakwall.urls.databases import missing_file

NAME = "broker"


def embedded_broker(settings: Settings) -> list[Finding]:
    """Its program, its server, and damaged files that were kept."""
    try:
        folder = ServerFolder(settings.home)
        program = find_server_program()
    except BrokerNotStartedError as error:
        return [problem(NAME, str(error), "Until then no worker starts; orders wait safely.")]
    except NoServerProgramError as error:
        return [problem(NAME, "no server program for the embedded broker", str(error))]
    needless = "Look at it or remove it: nothing needs it."
    kept = [fine(NAME, f"damaged files are kept: {path}", needless) for path in folder.kept()]
    return [_server(settings, folder, program), *kept]


def _server(settings: Settings, folder: ServerFolder, program: Path) -> Finding:
    if folder.says_that_nothing_can_be_written():
        detail = "embedded and running, but nothing can be written to its disk"
        return problem(NAME, detail, _make_room(folder))
    if not folder.speaks():
        return _not_running(settings, folder, program)
    depth = queue_depth(settings)
    if depth is None:
        advice = f"Look at {folder.log}; orders wait safely."
        return problem(NAME, "embedded and running, but it does not serve", advice)
    return fine(NAME, f"embedded and running; {depth:,} messages wait")


def _not_running(settings: Settings, folder: ServerFolder, program: Path) -> Finding:
    if not folder.has_room:
        return problem(NAME, "embedded, not running: there is no room on its disk", _make_room(folder))
    alive = _live_workers_here(settings)
    if alive:
        verb, whose = ("is", "its") if alive == 1 else ("are", "their")
        detail = f"{count(alive, 'worker')} {verb} alive, but {whose} embedded broker does not run"
        return problem(NAME, detail, f"See {folder.log} and the worker's log; orders wait safely.")
    return fine(NAME, f"embedded, not running: a worker starts it ({program})")


def _make_room(folder: ServerFolder) -> str:
    return f"Make room on the disk of {folder.files}; it goes on by itself, and orders wait safely."


def _live_workers_here(settings: Settings) -> int:
    """Living workers on this machine; 0 where the database does not answer, which is another check's finding."""
    if missing_file(settings.database):
        return 0
    here = visible(socket.gethostname())[:MAX_LENGTH]
    try:
        with closing(Database(settings.database)) as opened:
            found = opened.read(lambda connection: live_workers(connection, DatabaseClock())) or []
    except DatabaseUnavailableError:
        return 0
    return sum(worker.host == here for worker in found)
