"""Errors of orders as problem documents."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError

from breakwall.log_throttle import LogThrottle
from breakwall.payments.db.database import DatabaseUnavailableError
from breakwall.payments.orders import IdempotencyConflictError
from breakwall.web.problems import ProblemError, ProblemType

log = logging.getLogger("breakwall.api")

RETRY_AFTER = {"Retry-After": "1"}
"""Seconds: a database that was restarted, or a lock that was held, is often back by then."""

PLACE_AGAIN = (
    "The orders database does not answer in time. The order may have been accepted or not: place it again with the "
    "same Idempotency-Key, then you learn which. It is never charged twice."
)
_LOOK_FIRST = (
    "The orders database does not answer in time. If the request was to change something, that may have happened or "
    "not: look at the order before you send it again."
)
_throttle = LogThrottle()


def invalid(errors: dict[str, str]) -> ProblemError:
    """The problem of a request with these fields: by the field, what would be right."""
    detail = "; ".join(f"{field}: {problem}" for field, problem in errors.items())
    return ProblemError(ProblemType.INVALID_REQUEST, detail, {"errors": errors})


def field_errors(error: ValidationError | RequestValidationError) -> dict[str, str]:
    """By the field, what would be right. Without the values: one may be a card number."""
    return {_field(one["loc"]): _sentence(one) for one in error.errors()}


_NOT_FIELDS = {
    "body",
    "query",
    "path",
    "header",
    "paid",
    "not_charged",
}  # Where a field is, and forms of a body.
_NAME = re.compile(r"[A-Za-z_][\w-]{0,63}", re.ASCII)


def _field(location: tuple[str | int, ...]) -> str:
    """The field itself: what is within it, such as a name in ``metadata``, may be as secret as a value."""
    name = next((str(part) for part in location if part not in _NOT_FIELDS), "body")
    return name if _NAME.fullmatch(name) else "body"


def _sentence(one: Any) -> str:
    return "is not a field of this request" if one["type"] == "extra_forbidden" else str(one["msg"])


@contextmanager
def placing() -> Iterator[None]:
    """Raise what a caller who places orders is told: a database that cannot be used has perhaps accepted them."""
    try:
        yield
    except DatabaseUnavailableError as error:
        raise unavailable(error, PLACE_AGAIN) from error


def unavailable(error: DatabaseUnavailableError, detail: str = _LOOK_FIRST) -> ProblemError:
    """The error's own text goes into the log: it may name a host or a file."""
    if number := _throttle.admit():
        log.warning("%d requests met a database that cannot be used; the last one: %s", number, error)
    return ProblemError(ProblemType.UNAVAILABLE, detail, headers=RETRY_AFTER)


def conflict(error: IdempotencyConflictError) -> ProblemError:
    """The problem names the fields that differ, not their values."""
    return ProblemError(ProblemType.IDEMPOTENCY_CONFLICT, f"{error}.", {"fields": error.fields})
