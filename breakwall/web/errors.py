"""Every error as a problem document: ours, FastAPI's and unexpected ones. `TYPES` is the table."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, cast

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from breakwall.breaker.errors import StoreLostError
from breakwall.errors import BreakwallError, ExitCode
from breakwall.log_throttle import throttled
from breakwall.payments.db.errors import DatabaseUnavailableError, SchemaError
from breakwall.payments.interventions import InvalidAuthorError
from breakwall.payments.ledger.queries import AmbiguousNameError, OrderNotFoundError, OrderPrunedError
from breakwall.payments.operator.bulk_retry.record import OtherBulkRetryError
from breakwall.payments.operator.resolve import InvalidChargeError
from breakwall.payments.orders import IdempotencyConflictError, InvalidOrderError
from breakwall.web.allowed_methods import allowed_methods
from breakwall.web.problems import MEDIA_TYPE, ProblemError, ProblemType, answer_problem, problem_response
from breakwall.web.validation import problem_of_validation

log = logging.getLogger("breakwall.api")

RETRY_AFTER = 1  # Seconds: a database that was restarted, or a lock that was held, is often back by then.

TYPES: Mapping[type[Exception], ProblemType] = {
    AmbiguousNameError: ProblemType.AMBIGUOUS_NAME,
    IdempotencyConflictError: ProblemType.IDEMPOTENCY_CONFLICT,
    InvalidAuthorError: ProblemType.INVALID_REQUEST,
    InvalidChargeError: ProblemType.INVALID_REQUEST,
    InvalidOrderError: ProblemType.INVALID_REQUEST,
    OtherBulkRetryError: ProblemType.INVALID_REQUEST,
    OrderPrunedError: ProblemType.ORDER_PRUNED,
    DatabaseUnavailableError: ProblemType.UNAVAILABLE,
    StoreLostError: ProblemType.UNAVAILABLE,
}
"""The problem that an error of ours is. `BreakwallError` has an exit code, which decides for all other classes."""

BY_EXIT_CODE: Mapping[ExitCode, ProblemType] = {
    ExitCode.NOT_FOUND: ProblemType.NOT_FOUND,
    ExitCode.REFUSED: ProblemType.REFUSED,
}

BY_STATUS: Mapping[int, ProblemType] = {
    400: ProblemType.MALFORMED,
    404: ProblemType.NOT_FOUND,
    405: ProblemType.METHOD_NOT_ALLOWED,
    413: ProblemType.TOO_LARGE,
    415: ProblemType.UNSUPPORTED_MEDIA_TYPE,
}
"""The problem that an error of the framework is."""

DETAILS: Mapping[ProblemType, str] = {
    ProblemType.MALFORMED: "The body cannot be read.",
    ProblemType.NOT_FOUND: "Nothing is at this address.",
    ProblemType.TOO_LARGE: "The body is larger than this address takes.",
}


def answer_errors(app: FastAPI) -> None:
    """Let ``app`` answer each error with a problem document."""
    app.add_exception_handler(ProblemError, answer_problem)
    app.add_exception_handler(RequestValidationError, _answer_validation)
    app.add_exception_handler(HTTPException, _answer_framework)
    app.add_exception_handler(ClientDisconnect, _answer_nobody)
    kinds: list[type[Exception]] = [BreakwallError, *TYPES]
    for kind in kinds:
        app.add_exception_handler(kind, _answer_known)
    # The framework raises it again afterwards, and uvicorn logs it with its traceback.
    app.add_exception_handler(Exception, _answer_unexpected)


def problem_of(error: Exception) -> ProblemError:
    """What is answered to an error of ours. A database's name and its driver's words stay in the log."""
    type_ = _type_of(error)
    if type_ is ProblemType.UNAVAILABLE:
        _log_unavailable(f"a request was answered with 503: {error}")
        detail = _OTHER_TABLES if isinstance(error, SchemaError) else _UNAVAILABLE
        return ProblemError(type_, detail, headers={"Retry-After": str(RETRY_AFTER)})
    if type_ is ProblemType.INTERNAL:
        log.error("a request was answered with 500: %s", error)
        return _internal()
    detail, members = _SPECIAL.get(type_, _plain)(error)
    return ProblemError(type_, detail, members)


def _type_of(error: Exception) -> ProblemType:
    for kind in type(error).__mro__:
        if kind in TYPES:
            return TYPES[kind]
    return BY_EXIT_CODE.get(getattr(error, "exit_code", ExitCode.FAILURE), ProblemType.INTERNAL)


_UNAVAILABLE = (
    "What this request needs does not answer now. Nothing was changed, unless the connection was lost meanwhile. The "
    "same request can be sent again: with the same idempotency key an order is never placed twice."
)

_OTHER_TABLES = (
    "The tables of the orders database do not fit this version. Most often `breakwall db upgrade` is what is missing; "
    "the server's log says more. Nothing was changed."
)

_log_unavailable = throttled(log.warning)

Parts = tuple[str, dict[str, object]]


def _plain(error: Exception) -> Parts:
    return str(error), {}


def _invalid(error: Exception) -> Parts:
    if isinstance(error, InvalidOrderError):
        problems = error.problems
    elif isinstance(error, InvalidAuthorError):
        problems = {error.field: error.problem}
    elif isinstance(error, OtherBulkRetryError):
        problems = {"Idempotency-Key": str(error)}
    else:
        problems = {"charge_id": str(error)}
    return str(error), {"errors": problems}


def _not_found(error: Exception) -> Parts:
    """The error's own text names the database, which is for operators at a terminal."""
    unknown = "No order has this id or key." if isinstance(error, OrderNotFoundError) else str(error)
    return unknown, {}


def _ambiguous(error: Exception) -> Parts:
    orders = {way.value: order_id for way, order_id in cast(AmbiguousNameError, error).found.items()}
    detail = "The name is one order's id and another order's key. Say which is meant: by=id or by=key."
    return detail, {"orders": orders}


def _conflict(error: Exception) -> Parts:
    return f"{error}.", {"fields": cast(IdempotencyConflictError, error).fields}


def _pruned(error: Exception) -> Parts:
    return f"{error}.", cast(OrderPrunedError, error).details()


_SPECIAL: Mapping[ProblemType, Callable[[Exception], Parts]] = {
    ProblemType.INVALID_REQUEST: _invalid,
    ProblemType.NOT_FOUND: _not_found,
    ProblemType.AMBIGUOUS_NAME: _ambiguous,
    ProblemType.IDEMPOTENCY_CONFLICT: _conflict,
    ProblemType.ORDER_PRUNED: _pruned,
}


def _internal() -> ProblemError:
    return ProblemError(ProblemType.INTERNAL, "The server has failed. Its log says why.")


async def _answer_known(request: Request, error: Exception) -> JSONResponse:
    return problem_response(problem_of(error))


async def _answer_unexpected(request: Request, error: Exception) -> JSONResponse:
    return problem_response(_internal())


async def _answer_validation(request: Request, error: Exception) -> JSONResponse:
    return problem_response(problem_of_validation(request, cast(RequestValidationError, error)))


async def _answer_nobody(request: Request, error: Exception) -> Response:
    """The client has gone: nobody reads this, and it is no fault of ours that would need a traceback."""
    return Response(status_code=HTTPStatus.BAD_REQUEST)


async def _answer_framework(request: Request, error: Exception) -> Response:
    failed = cast(HTTPException, error)
    headers: dict[str, str] = dict(failed.headers or {})
    if failed.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        headers["Allow"] = ", ".join(allowed_methods(request))
        if request.method == "OPTIONS":
            return Response(status_code=HTTPStatus.NO_CONTENT, headers=headers)
    type_ = BY_STATUS.get(failed.status_code)
    if type_ is None:
        return JSONResponse(_blank(failed.status_code), failed.status_code, headers, MEDIA_TYPE)
    detail = DETAILS.get(type_) or f"{type_.value.title}."
    return problem_response(ProblemError(type_, detail, headers=headers))


def _blank(status: int) -> dict[str, Any]:
    """A status of the framework that has no type of ours: as RFC 9457 says, the status alone explains it."""
    return {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status}
