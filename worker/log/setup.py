"""Sets up a worker's logging: Celery's handlers, levels and files, with lines in Breakwall's format.

The import connects it to Celery's signals. It changes only workers of `breakwall.worker.app`.
"""

import logging
import os
import sys
import threading
import warnings
from contextlib import suppress
from typing import Any

from celery import signals
from celery.apps import worker
from celery.exceptions import SecurityWarning
from celery.utils.log import get_multiprocessing_logger

from breakwall.log_throttle import throttled
from breakwall.logs import LineFormatter, is_json_on
from breakwall.worker.log.printed_lines import PrintedLines

log = logging.getLogger("breakwall.worker")


@signals.celeryd_init.connect
def set_up(instance: Any, **_: Any) -> None:
    """Before Celery sets up its logging: give each handler that it will make our formatter."""
    runtime = getattr(instance.app, "breakwall", None)
    if runtime is None:
        return
    chosen = runtime.settings.log.format
    # To root Celery recommends --uid, which our worker refuses: see `advise_against_root`.
    warnings.filterwarnings("ignore", category=SecurityWarning)

    stderr_is_json = is_json_on(sys.__stderr__, chosen)
    on_error = _LostLines(as_json=stderr_is_json)

    def put_on(logger: logging.Logger, **_: Any) -> None:
        for handler in (*logger.handlers, *get_multiprocessing_logger().handlers):
            stream = getattr(handler, "stream", None)
            handler.setFormatter(LineFormatter(as_json=is_json_on(stream, chosen)))
            handler.handleError = on_error  # `logging` would print a traceback each time

    for signal in (signals.after_setup_logger, signals.after_setup_task_logger):
        signal.connect(put_on, weak=False, dispatch_uid="breakwall")
    threading.excepthook = _log_thread_failure
    sys.unraisablehook = _log_unraisable
    if stderr_is_json:
        _log_early_messages()


class _LostLines:
    """Reports on stderr, once a minute, that a handler could not write a line."""

    def __init__(self, *, as_json: bool) -> None:
        self._report = throttled(self._write)
        self._formatter = LineFormatter(as_json=as_json)

    def __call__(self, record: logging.LogRecord) -> None:
        error = sys.exc_info()[1]
        why = getattr(error, "strerror", None) or type(error).__name__
        self._report(f"lines of the log are lost, because they cannot be written ({why})")

    def _write(self, sentence: str) -> None:
        with suppress(OSError):  # stderr itself may be what is full
            os.write(2, _line(self._formatter, log.name, logging.ERROR, sentence))


# Python would print these two errors to stderr, and Celery would make an event of each printed piece.


def _log_thread_failure(failed: threading.ExceptHookArgs) -> None:
    if failed.exc_type is SystemExit or failed.exc_value is None:  # an intended end
        return
    name = failed.thread.name if failed.thread else "that is gone"
    log.critical("the thread %s failed", name, exc_info=failed.exc_value)


def _log_unraisable(failed: Any) -> None:
    log.error("%s %r", failed.err_msg or "Exception ignored in:", failed.object, exc_info=failed.exc_value)


def _log_early_messages() -> None:
    """Make events of the messages before Celery sets up its logging, and of what it prints at its end."""
    early = logging.StreamHandler(sys.__stderr__)
    early.setLevel(logging.WARNING)
    early.setFormatter(LineFormatter(as_json=True))
    logging.getLogger().addHandler(early)  # Celery removes it when it adds its own
    logging.captureWarnings(True)
    worker.safe_say = _log_instead_of_print


def _log_instead_of_print(message: str, stream: Any = None) -> None:
    # Called from a signal's handler: one write, and no lock that the interrupted code may hold.
    written_to = stream or sys.__stderr__
    if written_to is not None:
        line = _line(LineFormatter(as_json=True), "celery.apps.worker", logging.INFO, message.strip())
        with suppress(OSError, ValueError):
            os.write(written_to.fileno(), line)


def _line(formatter: logging.Formatter, logger: str, level: int, message: str) -> bytes:
    record = logging.LogRecord(logger, level, __file__, 0, message, None, None)
    return f"{formatter.format(record)}\n".encode()


@signals.celeryd_after_setup.connect
def log_start(instance: Any, **_: Any) -> None:
    """Where the log is JSON, log an event instead of Celery's banner."""
    formatters = [handler.formatter for handler in logging.getLogger().handlers]
    on_terminal = sys.__stdout__ is not None and sys.__stdout__.isatty()
    if instance.quiet or on_terminal or not any(getattr(one, "as_json", False) for one in formatters):
        return
    instance.quiet = True
    pool = getattr(instance.pool_cls, "__module__", str(instance.pool_cls)).split(".")[-1]
    queues = ", ".join(sorted(instance.app.amqp.queues.consume_from))
    transport = instance.app.connection().as_uri()  # kombu shows two stars for a password
    log.info(
        "worker %s starts, concurrency: %s (%s), transport: %s, queues: %s",
        *(instance.hostname, instance.concurrency, pool, transport, queues),
    )


@signals.celeryd_after_setup.connect
def log_printed_lines(instance: Any, **_: Any) -> None:
    """Log what a listener, or a library, prints line by line. It comes before Celery would take over both streams."""
    ours = getattr(instance.app, "breakwall", None) is not None
    if not ours or not instance.redirect_stdouts or instance._custom_logging:  # noqa: SLF001 - Celery's own condition
        return
    instance.app.log.redirect_stdouts(instance.redirect_stdouts_level)
    instance.redirect_stdouts = False
    sys.stdout, sys.stderr = PrintedLines(sys.stdout), PrintedLines(sys.stderr)


@signals.celeryd_after_setup.connect
def advise_against_root(instance: Any, **_: Any) -> None:
    """Celery logs a warning. A container's only user is often root, and nothing fails, so INFO is enough."""
    if getattr(instance.app, "breakwall", None) is not None and os.geteuid() == 0:
        log.info(
            "the worker runs as root, which it does not need: start it as a user of its own (systemd: User=)"
        )
