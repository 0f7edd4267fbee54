"""The log of an API process: Breakwall's lines on stderr, without a line for each request."""

from __future__ import annotations

import asyncio
import logging
import sys

from breakwall.logs import LineFormatter, is_json_on


def set_up_logging(form: str, level: str) -> None:
    """Write events from ``level`` on to stderr. ``form``: ``json``, ``text`` or ``auto``, as ``LOG__FORMAT``."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(LineFormatter(as_json=is_json_on(sys.stderr, form)))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    logging.captureWarnings(True)
    logging.raiseExceptions = False  # A full disk would add a traceback to each line that cannot be written.
    # Always: where it listens, and how it ends.
    logging.getLogger("breakwall.api").setLevel(min(root.level, logging.INFO))
    logging.getLogger("uvicorn").setLevel(max(root.level, logging.WARNING))
    logging.getLogger("uvicorn.error").addFilter(_is_no_cancellation)


def _is_no_cancellation(record: logging.LogRecord) -> bool:
    """Uvicorn logs the requests that it cancels at its end as if they had failed."""
    return not (record.exc_info and isinstance(record.exc_info[1], asyncio.CancelledError))
