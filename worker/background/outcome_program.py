"""The program that delivers outcomes: `OutcomeProcess` runs it beside the worker.

It gets `sys.path` and the settings on its standard input, as `multiprocessing` does it. SIGTERM ends it after the calls
in hand.
"""

import logging
import pickle
import signal
import sys
from collections.abc import Sequence

from breakwall.logs import message_of
from breakwall.settings import Settings, SettingsError
from breakwall.texts import visible
from breakwall.trace_export import start_tracing
from breakwall.wiring import open_database, open_delivering
from breakwall.worker.background.outcome_loop import OutcomeLoop

log = logging.getLogger("breakwall.outcomes")

STOP = {signal.SIGTERM}

# What Python runs. The path comes first: Breakwall is found where the worker found it.
START = (
    "import pickle, sys; sys.path[:] = pickle.load(sys.stdin.buffer); "
    "from breakwall.worker.background.outcome_program import main; sys.exit(main())"
)


class LineForParent(logging.Formatter):
    """``LEVEL LOGGER MESSAGE`` on one line, which `OutcomeProcess` logs."""

    def format(self, record: logging.LogRecord) -> str:
        return f"{record.levelno} {record.name} {visible(message_of(record))}"


def what_it_reads(settings: Settings) -> bytes:
    """Its standard input."""
    return pickle.dumps(sys.path) + pickle.dumps(settings)


def main() -> int:
    """Deliver until SIGTERM, and return the exit code."""
    # Blocked here and in all threads, and waited for: a handler could come in the middle of a lock.
    signal.pthread_sigmask(signal.SIG_BLOCK, STOP)
    settings: Settings = pickle.load(sys.stdin.buffer)  # noqa: S301 - the worker wrote it
    _log_to_parent()
    try:
        _deliver(settings)
    except SettingsError as error:  # A file of theirs has changed since the worker started.
        log.warning("outcomes cannot be delivered: %s", error)
        return 1
    return 0


def _deliver(settings: Settings) -> None:
    stop_tracing = start_tracing(settings, "outcomes")
    database = open_database(settings)
    try:
        delivering = open_delivering(settings, database, ways=ways_of(settings))
        if delivering is None:
            return
        loop = OutcomeLoop(delivering)
        loop.start()
        signal.sigwait(STOP)
        loop.stop()
    finally:
        database.close()
        stop_tracing()


def ways_of(settings: Settings) -> Sequence[str]:
    """The ways of this process. A listener is the shop's code, which may need what the worker has set up."""
    return [way for way in settings.outcomes.ways if way != "listener"]


def _log_to_parent() -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(LineForParent())
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    logging.getLogger("httpx2").setLevel(logging.WARNING)
