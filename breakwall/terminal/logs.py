"""Writes the log's warnings to stderr while a command runs."""

import logging
import sys

from breakwall.logs import LineFormatter, is_json_on, message_of
from breakwall.texts import visible


def show_warnings(*, as_json: bool) -> None:
    """Write warnings as the commands write errors, until a program configures logging itself.

    ``BREAKWALL_LOG__FORMAT=json`` makes them JSON, whatever the command's own output is.
    """
    handler = logging.StreamHandler()
    handler.setLevel(logging.WARNING)
    # The commands show the circuit themselves.
    handler.addFilter(lambda record: record.name != "breakwall.circuit")
    handler.setFormatter(_WarningFormatter(as_json=as_json))
    logging.lastResort = handler


def is_log_json() -> bool:
    """Whether a log on stderr is JSON. It works with unusable settings too."""
    return is_json_on(sys.stderr, _chosen_format())


def write_event(logger: str, message: str) -> None:
    """Write critical events as JSON to stderr before logging is configured: one for each line of the message."""
    formatter = LineFormatter(as_json=True)
    for line in message.split("\n"):
        record = logging.LogRecord(logger, logging.CRITICAL, __file__, 0, line, None, None)
        sys.stderr.write(f"{formatter.format(record)}\n")


class _WarningFormatter(logging.Formatter):
    """In JSON the sentence is the field ``warning``; the other fields are those of every log line."""

    def __init__(self, *, as_json: bool) -> None:
        super().__init__()
        self._as_json = as_json
        self._json = LineFormatter(as_json=True, event="warning")
        self._text = LineFormatter(as_json=False)

    def format(self, record: logging.LogRecord) -> str:
        if self._as_json or _chosen_format() == "json":
            return self._json.format(record)
        if record.exc_info:
            return self._text.format(record)
        return f"Warning: {visible(message_of(record))}"


def _chosen_format() -> str:
    # Only when there is a warning: loading is slow, and the settings may be the problem.
    from breakwall.settings import SettingsError, load_settings

    try:
        return load_settings().log.format
    except SettingsError:
        return "auto"
