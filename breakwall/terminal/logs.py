"""What the libraries' loggers have to say while a command runs: warnings, on stderr."""

from __future__ import annotations

import json
import logging

from breakwall.payments.texts import visible


def show_warnings(*, as_json: bool) -> None:
    """Write warnings as the commands write errors. A program that sets logging up itself overrules it."""
    handler = logging.StreamHandler()
    handler.setLevel(logging.WARNING)
    handler.setFormatter(_JsonFormatter() if as_json else _TextFormatter())
    logging.lastResort = handler


class _TextFormatter(logging.Formatter):
    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the base class's name
        return f"Warning: {visible(record.message)}"


class _JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return json.dumps({"warning": record.getMessage()})
