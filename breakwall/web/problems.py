"""Errors as problem documents (RFC 9457): each has a type that never changes, at an address that explains it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import cast

from fastapi import Request
from fastapi.responses import JSONResponse

from breakwall.pickling import Picklable

MEDIA_TYPE = "application/problem+json"
PATH = "/problems"  # Of the pages that explain the types.


@dataclass(frozen=True, slots=True)
class ProblemKind:
    """One type of problem."""

    slug: str  # The last part of its address. Public: it stays.
    status: int
    title: str
    explanation: str  # What to do about it, for a developer.


class ProblemType(Enum):
    """The types of problems that the API answers with."""

    MALFORMED = ProblemKind(
        "malformed",
        400,
        "The request cannot be read",
        "The body is no JSON, or was cut off. `detail` says where reading ended.",
    )
    IDEMPOTENCY_KEY_MISSING = ProblemKind(
        "idempotency-key-missing",
        400,
        "The order has no idempotency key",
        "Send the header `Idempotency-Key`: your own name for the order, the same on each try. It keeps a repeated "
        "request from charging twice.",
    )
    IDEMPOTENCY_KEY_INVALID = ProblemKind(
        "idempotency-key-invalid",
        400,
        "The idempotency key is not usable",
        "The header `Idempotency-Key` is a text of 1 to 255 characters without control characters, quoted or not.",
    )
    UNAUTHENTICATED = ProblemKind(
        "unauthenticated",
        401,
        "A valid token is needed",
        "Send `Authorization: Bearer TOKEN`. `breakwall token create` makes one; it ends when it is revoked, or when "
        "its time is over.",
    )
    UNSIGNED_HINT = ProblemKind(
        "unsigned-hint",
        401,
        "The hint is not signed",
        "Nothing was done. Compare the payment service's signing secret with `BREAKWALL_PAYMENT_HOOK_SECRET`.",
    )
    PAYMENT_DECLINED = ProblemKind(
        "payment-declined",
        402,
        "The payment was declined",
        "Nothing was charged. `order` has the decline code as its `reason`. A new try needs a new key.",
    )
    PAYMENT_FAILED = ProblemKind(
        "payment-failed",
        402,
        "The payment could not be made",
        "Nothing was charged, and nothing more is tried unless an operator retries the order.",
    )
    ORDER_CANCELLED = ProblemKind(
        "order-cancelled",
        402,
        "The order was cancelled",
        "Nothing was charged. `order` has the cause as its `reason`. A new try needs a new key.",
    )
    FORBIDDEN = ProblemKind(
        "forbidden",
        403,
        "The token does not allow it",
        "Use a token with one of the `scopes`. A token keeps the scopes that it was made with.",
    )
    CROSS_SITE = ProblemKind(
        "cross-site",
        403,
        "The request comes from another site",
        "A browser's requests are taken from this server's own pages only. Programs send a token in `Authorization`.",
    )
    FORWARDED = ProblemKind(
        "forwarded",
        403,
        "Without a token, no forwarded request is taken",
        "A server without tokens is for its own machine alone, and a proxy forwards the requests of others. Make a "
        "token with `breakwall token create`: from then on every request needs one.",
    )
    NOT_FOUND = ProblemKind(
        "not-found", 404, "There is no such thing", "Nothing has this id, key or address."
    )
    METHOD_NOT_ALLOWED = ProblemKind(
        "method-not-allowed",
        405,
        "The method is not allowed here",
        "The header `Allow` lists the methods of this address.",
    )
    REQUEST_TIMEOUT = ProblemKind(
        "request-timeout",
        408,
        "The request came too slowly",
        "The connection was closed before all of the request had come. Send it again; one with an `Idempotency-Key` is "
        "never carried out twice.",
    )
    AMBIGUOUS_NAME = ProblemKind(
        "ambiguous-name",
        409,
        "The name fits two orders",
        "It is one order's id and another order's key. Add `by=id` or `by=key`.",
    )
    REFUSED = ProblemKind(
        "refused",
        409,
        "The state does not allow it",
        "Nothing was changed. `detail` says why, and what is possible instead.",
    )
    ORDER_PRUNED = ProblemKind(
        "order-pruned",
        410,
        "The order is not kept any more",
        "It had ended, and was removed after the retention time. `order` is what is kept of it.",
    )
    TOO_LARGE = ProblemKind(
        "too-large",
        413,
        "The body is too large",
        "Nothing was read. Send less at once, for example a batch in several parts.",
    )
    UNSUPPORTED_MEDIA_TYPE = ProblemKind(
        "unsupported-media-type",
        415,
        "The body has an unknown format",
        "Send JSON, with the header `Content-Type: application/json`.",
    )
    FOREIGN_HOST = ProblemKind(
        "foreign-host",
        421,
        "This server does not have that name",
        "Nothing was done. Set `BREAKWALL_API__HOSTS` to the names under which the server is reached.",
    )
    INVALID_REQUEST = ProblemKind(
        "invalid-request",
        422,
        "The request is not valid",
        "A field is missing or has a wrong value. `errors` names each field and says what would be right.",
    )
    IDEMPOTENCY_CONFLICT = ProblemKind(
        "idempotency-conflict",
        422,
        "The idempotency key belongs to another order",
        "Nothing was accepted. Send the first order unchanged, or the new order under a key of its own.",
    )
    TOO_MANY_TRIES = ProblemKind(
        "too-many-tries",
        429,
        "Too many wrong tokens",
        "Wait for `Retry-After` seconds. A valid token is accepted meanwhile.",
    )
    HEADERS_TOO_LARGE = ProblemKind(
        "headers-too-large",
        431,
        "The headers are too large",
        "Nothing was read. Send fewer or shorter headers; a browser may have to delete this site's cookies.",
    )
    INTERNAL = ProblemKind(
        "internal",
        500,
        "The server has failed",
        "This is a fault of the server; its log has the details. A request with an `Idempotency-Key` can be repeated.",
    )
    UNAVAILABLE = ProblemKind(
        "unavailable",
        503,
        "The service cannot work now",
        "Send the same request again after `Retry-After` seconds. What it asked for may have happened or not: an order "
        "with the same `Idempotency-Key` is never charged twice.",
    )

    @property
    def address(self) -> str:
        """The value of the document's ``type``, relative to the server."""
        return f"{PATH}/{self.value.slug}"


class ProblemError(Picklable, Exception):
    """Ends a request with a problem document. ``members`` are more fields of the document."""

    def __init__(
        self,
        type_: ProblemType,
        detail: str,
        members: dict[str, object] | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.type = type_
        self.detail = detail
        self.members = members or {}
        self.headers = headers


def invalid(errors: dict[str, str]) -> ProblemError:
    """The problem of a request with these wrong fields: by the field, what would be right."""
    detail = "; ".join(f"{field}: {problem}" for field, problem in errors.items())
    return ProblemError(ProblemType.INVALID_REQUEST, detail, {"errors": errors})


def problem_document(problem: ProblemError) -> dict[str, object]:
    """The problem as RFC 9457 has it."""
    kind = problem.type.value
    document = {"type": problem.type.address, "title": kind.title, "status": kind.status}
    return {**document, "detail": problem.detail, **problem.members}


def problem_response(problem: ProblemError) -> JSONResponse:
    """The answer to a request that ended with ``problem``."""
    return JSONResponse(
        problem_document(problem),
        status_code=problem.type.value.status,
        headers=problem.headers,
        media_type=MEDIA_TYPE,
    )


async def answer_problem(request: Request, problem: Exception) -> JSONResponse:
    """The handler of `ProblemError`."""
    return problem_response(cast(ProblemError, problem))
