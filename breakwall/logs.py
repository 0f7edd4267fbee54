"""The form of a log line, as JSON for a collector or as text for a terminal: one event in one line.

The events of Celery, SQLAlchemy and Breakwall all pass here. So this module makes control characters, line breaks and
characters that reverse the writing direction visible.
"""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Mapping, MutableMapping
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from breakwall.texts import visible

if TYPE_CHECKING:
    from structlog.stdlib import ProcessorFormatter

# Characters of a field. Docker cuts lines of 16 KiB in two, and another program's message may have megabytes.
MAX_FIELD = 4000

MAX_TRACEBACK = 8000  # Characters.
_LEFT_OUT = {"data"}  # Celery's field with the whole message, which its line has already.


def is_json_on(stream: object, chosen: str) -> bool:
    """Whether ``stream`` gets JSON. ``chosen``: ``json``, ``text``, or ``auto`` (JSON unless it is a terminal)."""
    if chosen != "auto":
        return chosen == "json"
    isatty = getattr(stream, "isatty", None)
    return not (isatty is not None and isatty())


class LineFormatter(logging.Formatter):
    """Writes each record on one line. In text, a traceback is on indented lines below it.

    With ``as_json`` the line is a JSON object with ``timestamp`` (UTC), ``level``, ``logger``, ``event`` (or another
    name for the field with the sentence), the record's own fields (`logging`'s ``extra``) and ``exception``; the text
    has no own fields.
    """

    def __init__(self, *, as_json: bool, event: str = "event") -> None:
        super().__init__()
        self.as_json = as_json
        self._event = event

    def format(self, record: logging.LogRecord) -> str:
        """The whole line, without its end; JSON in ASCII. Never raises: `logging` would print the error."""
        try:
            return self._by_structlog.format(_with_text(record))
        except Exception as error:  # the repr of another program's object may raise
            return self._by_structlog.format(_substitute(record, error))

    @cached_property
    def _by_structlog(self) -> ProcessorFormatter:
        # Imported at the first line: structlog takes as long to import as all of `breakwall --help`.
        from structlog.processors import StackInfoRenderer, format_exc_info
        from structlog.stdlib import ExtraAdder, ProcessorFormatter

        render = self._as_json_line if self.as_json else _as_text
        return ProcessorFormatter(
            processors=[
                ExtraAdder(),
                _add_origin,
                StackInfoRenderer(),
                format_exc_info,
                ProcessorFormatter.remove_processors_meta,
                _make_visible,
                render,
            ]
        )

    def _as_json_line(self, logger: object, method: str, event: Mapping[str, Any]) -> str:
        named = {(self._event if name == "event" else name): value for name, value in event.items()}
        # ASCII is safe in every encoding. U+007F is the one control character that JSON does not escape.
        return json.dumps(named, default=str).replace("\x7f", "\\u007f")


def _with_text(record: logging.LogRecord) -> logging.LogRecord:
    """A copy with a text as its message, so that a library's wrong arguments do not cost the line."""
    copied = logging.makeLogRecord(vars(record))
    if not isinstance(record.msg, dict):  # structlog's own events are dicts
        copied.msg, copied.args = message_of(record), ()
    return copied


def message_of(record: logging.LogRecord) -> str:
    """A record's text, even if its arguments do not fit."""
    try:
        return record.getMessage()
    except Exception:
        return f"{record.msg!s} (with arguments that do not fit)"


def _substitute(record: logging.LogRecord, error: Exception) -> logging.LogRecord:
    text = f"a line that cannot be written ({type(error).__name__}), from {record.pathname}:{record.lineno}"
    origin = {name: getattr(record, name) for name in ("name", "levelname", "levelno", "created")}
    return logging.makeLogRecord({**origin, "msg": text})


def _add_origin(logger: object, method: str, event: MutableMapping[str, Any]) -> dict[str, Any]:
    record: logging.LogRecord = event["_record"]
    moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
    first = {
        "timestamp": moment.replace("+00:00", "Z"),
        "level": record.levelname.lower(),
        "logger": record.name,
        # A field `event` from `extra` is not the sentence.
        "event": record.msg if isinstance(record.msg, str) else event.get("event", ""),
    }
    others = {name: value for name, value in event.items() if name not in {*first, *_LEFT_OUT}}
    return {**first, **others}


def _make_visible(logger: object, method: str, event: MutableMapping[str, Any]) -> dict[str, Any]:
    return {visible(str(name)): _visible_value(name, value) for name, value in event.items()}


def _visible_value(name: str, value: object) -> object:
    match value:
        case float() if not math.isfinite(value):
            return str(value)  # JSON has no such number
        case None | bool() | int() | float():
            return value
        case dict() | list() | tuple() | set() if len(whole := repr(value)) > MAX_FIELD:
            return _shortened(whole)
        case dict():
            return {visible(str(key)): _visible_value("", each) for key, each in value.items()}
        case list() | tuple() | set():
            return [_visible_value("", each) for each in value]
    if name in {"exception", "stack"}:
        return "\n".join(visible(line) for line in str(value)[-MAX_TRACEBACK:].split("\n"))
    return _shortened(str(value))


def _shortened(text: str) -> str:
    return visible(text if len(text) <= MAX_FIELD else f"{text[:MAX_FIELD]}… ({len(text):,} characters)")


def _as_text(logger: object, method: str, event: Mapping[str, Any]) -> str:
    line = f"{event['timestamp']} {str(event['level']).upper()} {event['logger']}: {event['event']}"
    below = "\n".join(str(event[name]) for name in ("exception", "stack") if name in event)
    return "\n".join([line, *(f"    {each}" for each in below.split("\n") if below)])
