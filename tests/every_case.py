"""Whether all cases of a test run, or those that CI has time for: ``make test EVERY_CASE=1`` runs all."""

from __future__ import annotations

import os
import zlib


def every_case() -> bool:
    return os.environ.get("EVERY_CASE") == "1"


def chosen(case: str, this: int, of: int) -> bool:
    """Whether a case goes to choice number ``this`` of ``of``: to the same one each time, about as many to each."""
    return every_case() or zlib.crc32(case.encode()) % of == this
