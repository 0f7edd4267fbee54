"""A tea shop on FastAPI. Breakwall charges its orders; how queued ones end, it tells the shop by a webhook."""

import os
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

import orders
from fastapi import FastAPI, Form, HTTPException, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import RedirectResponse
from fastapi.templating import Jinja2Templates
from orders import PRICE, ShopOrder, in_euros
from standardwebhooks import Webhook, WebhookVerificationError

from breakwall.producers import AsyncOrderProducer, DatabaseUnavailableError, InvalidOrderError

if not os.environ.get("SHOP_WEBHOOK_SECRET"):
    raise SystemExit("SHOP_WEBHOOK_SECRET: should be the secret of the webhook; settings.sh makes one")
verifier = Webhook(os.environ["SHOP_WEBHOOK_SECRET"])
templates = Jinja2Templates(Path(__file__).parent / "templates")
# The address of an order's page holds its token: it stays out of caches, and out of the requests to other pages.
PRIVATE = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with AsyncOrderProducer.from_settings() as app.state.producer:
        await charge_unanswered(app.state.producer)
        yield


app = FastAPI(lifespan=lifespan, openapi_url=None, max_body_size=65_536)


@app.get("/")
async def form(request: Request) -> Response:
    return page(request, "form.html", form=secrets.token_urlsafe(16), price=in_euros(PRICE))


@app.post("/orders")
async def take(
    request: Request,
    form: Annotated[str, Form()] = "",
    customer: Annotated[str, Form()] = "",
    payment_method: Annotated[str, Form()] = "",
    note: Annotated[str, Form()] = "",
) -> Response:
    if not 20 <= len(form) <= 64:  # None of ours: others could guess it.
        return page(
            request, "problem.html", 400, problems=[("The form", "is incomplete: please load it again")]
        )
    order = ShopOrder(customer, payment_method, note, form)
    try:
        order.for_breakwall()
    except InvalidOrderError as error:
        return page(request, "problem.html", 422, problems=error.problems.items())
    # Two commits, in this order: the shop's order first, then Breakwall's, with the shop's number as its key. A crash
    # between them leaves an order that is known here: the form, sent again, finds it, and so does the next start.
    order = await run_in_threadpool(orders.store, order)
    try:
        await charge(order, request.app.state.producer)
    except DatabaseUnavailableError:
        return page(request, "problem.html", 503, order=order)
    return RedirectResponse(f"/orders/{order.number}/{order.token}", 303, PRIVATE)


async def charge(order: ShopOrder, producer: AsyncOrderProducer) -> None:
    """Place the order, or place it again; store the answer: paid, declined, queued, …."""
    try:
        status = (await producer.place(order.for_breakwall())).status.value
    except InvalidOrderError:
        status = "cancelled"  # Its price ended before Breakwall had it, so Breakwall refuses it: nothing is charged.
    await run_in_threadpool(orders.answer, order.number, status)


async def charge_unanswered(producer: AsyncOrderProducer) -> None:
    """A process may have died between `store` and `answer`: place the order again.

    Also one that another process is placing just now; the same key is charged once.
    """
    for order in await run_in_threadpool(orders.unanswered):
        await charge(order, producer)


@app.get("/orders/{number}/{token}")
async def show(request: Request, number: str, token: str) -> Response:
    order = await run_in_threadpool(orders.find, number, token)
    if order is None:
        return page(request, "problem.html", 404)
    return page(request, "order.html", order=order, refresh=3)


@app.post("/hooks/breakwall", status_code=204)
async def hear(request: Request) -> None:
    try:
        event = verifier.verify(await request.body(), dict(request.headers))
    except (WebhookVerificationError, ValueError):
        raise HTTPException(400) from None
    await run_in_threadpool(orders.hear, event)


def page(request: Request, template: str, status: int = 200, **context: Any) -> Response:
    return templates.TemplateResponse(request, template, context, status, headers=PRIVATE)
