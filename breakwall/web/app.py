"""The application: every route, what stands before them, and how errors are answered."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from fastapi import FastAPI
from fastapi.telemetry import TelemetryConfig

from breakwall import __version__, tracing
from breakwall.monitor.history.sampler import Sampler
from breakwall.producers.threads import ThreadPool
from breakwall.web import (
    audit,
    breakers,
    bulk_retries,
    circuit_transitions,
    health,
    hooks,
    metrics,
    problem_pages,
    queue,
)
from breakwall.web.access.protect import protect
from breakwall.web.body_limit import limit_bodies
from breakwall.web.errors import answer_errors
from breakwall.web.head_requests import HeadRequests
from breakwall.web.live import routes as live
from breakwall.web.openapi import DESCRIPTION, TAGS, describe
from breakwall.web.orders import routes as orders
from breakwall.web.page import routes as page
from breakwall.web.read_limit import ReadLimit
from breakwall.web.services import Services
from breakwall.web.span_addresses import SpanAddresses

ROUTERS = (
    orders.router,
    bulk_retries.router,
    live.router,
    breakers.router,
    circuit_transitions.router,
    queue.router,
    audit.router,
    hooks.router,
    metrics.router,
    health.router,
    problem_pages.router,
    page.router,
)


def create_app(services: Services, *, host: str = "127.0.0.1") -> FastAPI:
    """The application over ``services``, which it closes when it ends. ``host``: the address that it is bound to.

    ``app.state.closed`` says afterwards whether they were closed in time: see `Stopping`.
    """
    app = FastAPI(
        title="Breakwall",
        summary="The wall between an order service and a payment service that can fail.",
        description=DESCRIPTION,
        version=__version__,
        openapi_tags=TAGS,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        telemetry=_telemetry(),
        lifespan=_lifespan,
    )
    app.state.services = services
    app.state.scrapes = metrics.Scrapes(services)
    answer_errors(app)
    describe(app)
    for router in ROUTERS:
        app.include_router(router)
    # The last one that is added stands before the others.
    limit_bodies(app)
    app.add_middleware(ReadLimit)
    app.add_middleware(HeadRequests)
    protect(app, services.settings, services.access, host, clock=services.clock)
    app.add_middleware(SpanAddresses)
    return app


def _telemetry() -> TelemetryConfig:
    """Spans of requests, if the process traces by now: otherwise each request would look for a provider.

    No logs: they have the texts of errors. No spans within a request: they show each answered error as a failure. The
    metrics are those of `/metrics`.
    """
    return {"tracing": tracing.is_on(), "metrics": False, "logs": False, "operation_spans": False}


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    services: Services = app.state.services
    sampler = Sampler(services.monitor)
    sampler.start()
    app.state.closed = False
    yield
    services.stopping.begin()
    sampler.ask_to_stop()
    with suppress(TimeoutError):
        await asyncio.wait_for(_close(services, sampler), services.stopping.seconds_left)
        app.state.closed = True


async def _close(services: Services, sampler: Sampler) -> None:
    # In a thread that is a daemon: one of the event loop's own would keep it from its end while the database hangs.
    await asyncio.wrap_future(ThreadPool(1, "breakwall-stop").call(sampler.stop))
    await services.close()
