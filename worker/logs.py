"""The log of a worker process: Celery's handlers, levels and files, with Breakwall's lines.

Connected to Celery's signals by being imported, and heeded where Celery runs a worker of `worker.app`: nobody
else's logging is touched.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from celery import Celery, signals
from celery.apps import worker
from celery.exceptions import SecurityWarning
from celery.utils.log import get_multiprocessing_logger

from breakwall.logs import LineFormatter, is_json_on

log = logging.getLogger("breakwall.worker")


@signals.celeryd_init.connect
def set_up(instance: Any, **_: Any) -> None:
    """Before Celery sets its logging up: have the formatter put on whatever handlers it makes."""
    runtime = getattr(instance.app, "breakwall", None)
    if runtime is None:
        return
    chosen = runtime.settings.log.format
    # As root Celery advises --uid, which a worker of ours refuses: `advise_against_root`.
    warnings.filterwarnings("ignore", category=SecurityWarning)

    lost = _LostLines(as_json=is_json_on(sys.__stderr__, chosen))

    def put_on(logger: logging.Logger, **_: Any) -> None:
        for handler in (*logger.handlers, *get_multiprocessing_logger().handlers):
            stream = getattr(handler, "stream", None)
            handler.setFormatter(LineFormatter(as_json=is_json_on(stream, chosen)))
            handler.handleError = lost  # `logging` would print a traceback each time

    for signal in (signals.after_setup_logger, signals.after_setup_task_logger):
        signal.connect(put_on, weak=False, dispatch_uid="breakwall")
    _make_events_of_what_nobody_caught()
    if is_json_on(sys.__stderr__, chosen):
        _make_events_of_what_is_only_said()


class AtMostOnceAMinute:
    """Says the same thing once in a minute: a look each second would otherwise fill the log with one outage.

    Args:
        say: told the sentence.
        clock: seconds, monotonic.
    """

    def __init__(self, say: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._say = say
        self._clock = clock
        self._said: dict[str, float] = {}

    def __call__(self, sentence: str) -> None:
        now = self._clock()
        self._said = {said: at for said, at in self._said.items() if now < at + 60.0}
        if sentence not in self._said:
            self._said[sentence] = now
            self._say(sentence)


class _LostLines:
    """Told of each line that a handler could not write; says so on stderr once a minute.

    Args:
        as_json: as what.
    """

    def __init__(self, *, as_json: bool) -> None:
        self._say = AtMostOnceAMinute(self._write)
        self._formatter = LineFormatter(as_json=as_json)

    def __call__(self, record: logging.LogRecord) -> None:
        error = sys.exc_info()[1]
        why = getattr(error, "strerror", None) or type(error).__name__
        self._say(f"lines of the log are lost, for they cannot be written ({why})")

    def _write(self, sentence: str) -> None:
        record = logging.LogRecord(log.name, logging.ERROR, __file__, 0, sentence, None, None)
        with suppress(OSError):  # stderr itself may be what is full
            os.write(2, f"{self._formatter.format(record)}\n".encode())


def _make_events_of_what_nobody_caught() -> None:
    """Python would print them, and Celery make an event of each piece that it prints, down to a circumflex."""

    def in_a_thread(failed: threading.ExceptHookArgs) -> None:
        if failed.exc_type is SystemExit or failed.exc_value is None:  # an end that was asked for
            return
        name = failed.thread.name if failed.thread else "that is gone"
        log.critical("the thread %s failed", name, exc_info=failed.exc_value)

    def where_nobody_can_be_told(failed: Any) -> None:
        log.error(
            "%s %r", failed.err_msg or "Exception ignored in:", failed.object, exc_info=failed.exc_value
        )

    threading.excepthook = in_a_thread
    sys.unraisablehook = where_nobody_can_be_told


def _make_events_of_what_is_only_said() -> None:
    """What comes before Celery has set its logging up, and what it writes to the terminal at its end."""
    early = logging.StreamHandler(sys.__stderr__)
    early.setLevel(logging.WARNING)
    early.setFormatter(LineFormatter(as_json=True))
    logging.getLogger().addHandler(early)  # Celery takes it away when it adds its own
    logging.captureWarnings(True)
    worker.safe_say = _say


def _say(message: str, stream: Any = None) -> None:
    # From a signal's handler: one write, and no lock that the interrupted code may hold.
    record = logging.LogRecord("celery.apps.worker", logging.INFO, __file__, 0, message.strip(), None, None)
    line = LineFormatter(as_json=True).format(record)
    written_to = stream or sys.__stderr__
    if written_to is not None:
        with suppress(OSError, ValueError):
            os.write(written_to.fileno(), f"{line}\n".encode())


@signals.celeryd_after_setup.connect
def greet(instance: Any, **_: Any) -> None:
    """In place of Celery's banner, whose many lines are no events, where the log is JSON."""
    handlers = logging.getLogger().handlers
    if not any(_writes_json(handler) for handler in handlers) or instance.quiet or _at_a_terminal():
        return
    instance.quiet = True
    pool = getattr(instance.pool_cls, "__module__", str(instance.pool_cls)).split(".")[-1]
    queues = ", ".join(sorted(instance.app.amqp.queues.consume_from))
    log.info(
        "worker %s starts, concurrency: %s (%s), transport: %s, queues: %s",
        *(instance.hostname, instance.concurrency, pool, _transport(instance.app), queues),
    )


@signals.celeryd_after_setup.connect
def advise_against_root(instance: Any, **_: Any) -> None:
    """Say what Celery warns of. No warning: a container's only user is often root, and nothing goes wrong by it."""
    if getattr(instance.app, "breakwall", None) is not None and os.geteuid() == 0:
        log.info(
            "the worker runs as root, which it does not need: start it as a user of its own (systemd: User=)"
        )


def _at_a_terminal() -> bool:
    return sys.__stdout__ is not None and sys.__stdout__.isatty()


def _writes_json(handler: logging.Handler) -> bool:
    return isinstance(handler.formatter, LineFormatter) and handler.formatter.as_json


def _transport(app: Celery) -> str:
    address: str = app.connection().as_uri()  # kombu's own, with two stars for a password
    return address
