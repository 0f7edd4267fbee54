"""Whether all cases of a test run, or those that CI has time for: ``make test EVERY_CASE=1`` runs all."""

from __future__ import annotations

import os


def every_case() -> bool:
    return os.environ.get("EVERY_CASE") == "1"
