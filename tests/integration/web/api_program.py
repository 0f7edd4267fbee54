"""`breakwall api` with two more routes: a stream of events, and one that places an order. Also as several processes.

``TRIED_LONGEST_STOP`` is how many seconds a stop may take instead of `stopping.LONGEST_STOP`.
"""

import os
import sys
import time
from collections.abc import AsyncIterator

from fastapi import FastAPI
from fastapi.responses import StreamingResponse

from breakwall.cli.app import main
from breakwall.payments.orders import Order
from breakwall.processes.child import python_module
from breakwall.web import server, server_processes, stopping
from breakwall.web.services import Services

create_app = server.create_app


def create_app_with_more(services: Services, *, host: str) -> FastAPI:
    app = create_app(services, host=host)

    async def events() -> AsyncIterator[str]:
        yield "data: begun\n\n"
        while not await services.stopping.sleep_or_stop(0.5):
            yield "data: still here\n\n"

    @app.get("/tried/events")
    async def stream() -> StreamingResponse:
        return StreamingResponse(events(), media_type="text/event-stream")

    @app.post("/tried/orders/{key}")
    async def place(key: str) -> dict[str, str]:
        order = Order(user_id="u1", amount=10_000, currency="KRW", idempotency_key=key)
        result = await services.producer.place(order, leave=services.stopping.answer)
        return {"status": result.status.value}

    @app.post("/tried/body")
    async def take(body: dict[str, str]) -> None: ...

    @app.get("/tried/hangs")
    def hang() -> None:
        time.sleep(600.0)

    @app.get("/tried/bug")
    async def fail() -> None:
        raise ZeroDivisionError("a bug")

    return app


if __name__ == "__main__":
    server.create_app = create_app_with_more
    stopping.LONGEST_STOP = float(os.environ.get("TRIED_LONGEST_STOP", stopping.LONGEST_STOP))
    server_processes.command_of_one = lambda level: python_module(
        "tests.integration.web.api_program", "--loglevel", level
    )
    main(["api", *sys.argv[1:]])
