"""`POST /v1/hooks/payment`: a hint of the payment service that a charge has changed."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Request
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel

from breakwall.access.scopes import Scope
from breakwall.payments.gateways.hints import MAX_BODY, Hint, HintSignatureError
from breakwall.payments.ledger.hint import hint
from breakwall.payments.ledger.queries import AmbiguousNameError, OrderNotFoundError
from breakwall.web.access.principal import require
from breakwall.web.problems import ProblemError, ProblemType
from breakwall.web.services import Services, UsedServices

router = APIRouter(tags=["hooks"])


# `take_hint` reads both by itself.
_DOCUMENTED: dict[str, Any] = {
    "security": [{}, {"token": [Scope.ORDERS_WRITE.value]}],
    "requestBody": {"required": True, "content": {"application/json": {"schema": {"type": "object"}}}},
}


class HintTaken(BaseModel):
    """The answer to a hint. It is the same whether there is such an order or not."""

    status: Literal["accepted"] = "accepted"


async def _body(request: Request) -> bytes:
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > MAX_BODY:
            raise ProblemError(ProblemType.TOO_LARGE, f"A hint has at most {MAX_BODY:,} bytes.")
    return bytes(body)


@router.post(
    "/v1/hooks/payment",
    status_code=202,
    summary="Take a hint of the payment service",
    openapi_extra=_DOCUMENTED,
)
async def take_hint(
    request: Request, services: UsedServices, body: Annotated[bytes, Depends(_body)]
) -> HintTaken:
    """Make a worker look up now what has become of a charge. The message itself is not believed.

    It needs no token if the payment service has signed it and `PAYMENT_HOOK_SECRET` is set. Any other message needs
    one with `orders:write`; then one hint a minute is followed for each order, and five a second for all. A message
    about an unknown order changes nothing.
    """
    read = _read(services, request, body)
    if not read.verified:
        await require(request, Scope.ORDERS_WRITE)
    if read.name is not None:
        await run_in_threadpool(_follow, services, read.name, verified=read.verified)
    return HintTaken()


def _read(services: Services, request: Request, body: bytes) -> Hint:
    try:
        return services.hints.read_hint(request.headers, body)
    except HintSignatureError as error:
        raise ProblemError(ProblemType.UNSIGNED_HINT, _sentence(error)) from None
    except ValueError as error:
        raise ProblemError(ProblemType.INVALID_REQUEST, _sentence(error)) from None


def _sentence(error: Exception) -> str:
    text = str(error)
    return f"{text[:1].upper()}{text[1:]}."


def _follow(services: Services, name: str, *, verified: bool) -> None:
    try:
        hint(services.database, name, clock=services.clock, verified=verified)
    except (OrderNotFoundError, AmbiguousNameError):
        return
