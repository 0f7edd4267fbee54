"""The application: every route, what stands before them, and how errors are answered."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from fastapi import FastAPI

from breakwall import __version__
from breakwall.web import health, problem_pages
from breakwall.web.body_limit import limit_bodies
from breakwall.web.errors import answer_errors
from breakwall.web.head_requests import HeadRequests
from breakwall.web.openapi import DESCRIPTION, TAGS, describe
from breakwall.web.services import Services


def create_app(services: Services) -> FastAPI:
    """The application over ``services``, which it closes when it ends.

    ``app.state.closed`` says afterwards whether they were closed in time: see `Stopping`.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.closed = False
        yield
        services.stopping.begin()
        with suppress(TimeoutError):
            await asyncio.wait_for(services.close(), services.stopping.seconds_left)
            app.state.closed = True

    app = FastAPI(
        title="Breakwall",
        summary="The wall between an order service and a payment service that can fail.",
        description=DESCRIPTION,
        version=__version__,
        openapi_tags=TAGS,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        telemetry={"logs": False},  # It would log the texts of errors.
        lifespan=lifespan,
    )
    app.state.services = services
    answer_errors(app)
    describe(app)
    app.include_router(health.router)
    app.include_router(problem_pages.router)
    # The last one that is added stands before the others.
    limit_bodies(app)
    app.add_middleware(HeadRequests)
    return app
