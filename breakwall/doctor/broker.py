"""Checks the broker: the configured one, or the embedded one."""

from contextlib import closing
from pathlib import Path

from breakwall.broker.checks.run import check_queue, check_writing
from breakwall.broker.depth import queue_depth
from breakwall.broker.embedded.folder import BrokerNotStartedError, ServerFolder
from breakwall.broker.embedded.server import NoServerProgramError, find_server_program
from breakwall.broker.errors import BrokerRefusesError, WrongQueueError
from breakwall.doctor.findings import Finding, fine, problem
from breakwall.doctor.worker_brokers import other_brokers, this_host
from breakwall.payments.db.clock import DATABASE_CLOCK
from breakwall.payments.db.database import Database, DatabaseUnavailableError
from breakwall.payments.fleet.workers import Worker, live_workers
from breakwall.settings import Settings
from breakwall.terminal.words import count
from breakwall.urls.address import where
from breakwall.urls.brokers import broker_address
from breakwall.urls.databases import missing_file

NAME = "broker"

_OTHER_BROKER = (
    "A worker of a shop's Celery app reads the app's broker: then set BREAKWALL_BROKER_URL to that one."
)


def broker(settings: Settings) -> list[Finding]:
    """Whether the broker answers, takes messages, has the right queue, and is the workers' broker."""
    is_embedded = settings.embedded_broker
    found = embedded_broker(settings) if is_embedded else configured_broker(settings)
    ours, fleet = broker_address(settings.broker), _live_workers(settings)
    others = other_brokers(fleet, ours, this_host(), lambda: queue_depth(settings), is_embedded=is_embedded)
    return [*found, *others]


def configured_broker(settings: Settings) -> list[Finding]:
    """Whether the broker of the setting answers, takes messages, and has the right queue."""
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
    alive = _workers_of_this_broker(settings)
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


def _workers_of_this_broker(settings: Settings) -> int:
    """Live workers on this machine that may use its embedded broker: they have named no other one."""
    here, ours = this_host(), broker_address(settings.broker)
    return sum(worker.host == here and worker.broker in {None, ours} for worker in _live_workers(settings))


def _live_workers(settings: Settings) -> list[Worker]:
    """The live workers; none if the database does not answer, which another check reports."""
    if missing_file(settings.database):
        return []
    try:
        with closing(Database(settings.database)) as opened:
            return opened.read(lambda connection: live_workers(connection, DATABASE_CLOCK))
    except DatabaseUnavailableError:
        return []
