"""The doctor's look at the embedded broker: whether it runs, and whether it could."""

from __future__ import annotations

import socket
from contextlib import closing
from typing import TYPE_CHECKING

from breakwall.doctor.findings import Finding
from breakwall.payments.db.clock import DatabaseClock
from breakwall.payments.db.database import Database, DatabaseUnavailableError
from breakwall.payments.fleet.workers import live_workers
from breakwall.settings import Settings
from breakwall.terminal.words import count
from breakwall.texts import MAX_LENGTH, visible
from breakwall.urls import missing_file

if TYPE_CHECKING:
    from pathlib import Path

    from breakwall.broker.embedded.server import ServerFolder


def embedded_broker(settings: Settings) -> list[Finding]:
    """Its program, and the server that runs or whatever keeps one from running."""
    from breakwall.broker import BrokerNotStartedError, queue_depth
    from breakwall.broker.embedded.find_server import NoServerProgramError, find_server_program
    from breakwall.broker.embedded.server import ServerFolder

    try:
        folder = ServerFolder(settings.home)
        program = find_server_program()
    except BrokerNotStartedError as error:
        return [Finding("broker", False, str(error), "Until then no worker starts; orders wait safely.")]
    except NoServerProgramError as error:
        return [Finding("broker", False, "no server program for the embedded broker", str(error))]
    needless = "Look at it or remove it: nothing needs it."
    kept = [Finding("broker", True, f"damaged files are kept: {path}", needless) for path in folder.kept()]
    if folder.says_that_nothing_can_be_written():
        advice = f"Make room on the disk of {folder.files}; it goes on by itself, and orders wait safely."
        return [
            Finding("broker", False, "embedded and running, but nothing can be written to its disk", advice),
            *kept,
        ]
    depth = queue_depth(settings) if folder.speaks() else None
    if depth is not None:
        return [Finding("broker", True, f"embedded and running; {depth:,} messages wait"), *kept]
    if folder.speaks():
        advice = f"Look at {folder.log}; orders wait safely."
        return [Finding("broker", False, "embedded and running, but it does not serve", advice), *kept]
    return [_not_running(settings, folder, program), *kept]


def _not_running(settings: Settings, folder: ServerFolder, program: Path) -> Finding:
    if not folder.has_room:
        advice = f"Make room on the disk of {folder.files}; it goes on by itself, and orders wait safely."
        return Finding("broker", False, "embedded, not running: there is no room on its disk", advice)
    alive = _live_workers_here(settings)
    if alive:
        verb, whose = ("is", "its") if alive == 1 else ("are", "their")
        told = f"{count(alive, 'worker')} {verb} alive, but {whose} embedded broker does not run"
        return Finding("broker", False, told, f"See {folder.log} and the worker's log; orders wait safely.")
    return Finding("broker", True, f"embedded, not running: a worker starts it ({program})")


def _live_workers_here(settings: Settings) -> int:
    """Those of this machine; 0 where the database cannot tell, which is another check's finding."""
    if missing_file(settings.database):
        return 0
    here = visible(socket.gethostname())[:MAX_LENGTH]
    try:
        with closing(Database(settings.database)) as opened:
            found = opened.read(lambda connection: live_workers(connection, DatabaseClock())) or []
    except DatabaseUnavailableError:
        return 0
    return sum(worker.host == here for worker in found)
