"""What a caller who places orders is told while the database cannot be used: it has perhaps accepted them."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from breakwall.log_throttle import throttled
from breakwall.payments.db.database import DatabaseUnavailableError
from breakwall.web.errors import RETRY_AFTER
from breakwall.web.problems import ProblemError, ProblemType

log = logging.getLogger("breakwall.api")

PLACE_AGAIN = (
    "The orders database does not answer in time. The order may have been accepted or not: place it again with the "
    "same Idempotency-Key, then you learn which. It is never charged twice."
)
_warn = throttled(log.warning)


@contextmanager
def placing() -> Iterator[None]:
    """Raise the problem in place of `DatabaseUnavailableError`, whose text goes into the log: it may name a host."""
    try:
        yield
    except DatabaseUnavailableError as error:
        _warn(f"an order met a database that cannot be used: {error}")
        headers = {"Retry-After": str(RETRY_AFTER)}
        raise ProblemError(ProblemType.UNAVAILABLE, PLACE_AGAIN, headers=headers) from error
