"""The application: every route, what stands before them, and how errors are answered."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from breakwall import __version__
from breakwall.web.body_limit import limit_bodies
from breakwall.web.errors import answer_errors
from breakwall.web.head_requests import HeadRequests
from breakwall.web.services import Services


def create_app(services: Services) -> FastAPI:
    """The application over ``services``, which it closes when it ends."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        services.stopping.begin()
        await services.close()

    app = FastAPI(
        title="Breakwall",
        version=__version__,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        telemetry={"logs": False},  # It would log the texts of errors.
        lifespan=lifespan,
    )
    app.state.services = services
    answer_errors(app)
    # The last one that is added stands before the others.
    limit_bodies(app)
    app.add_middleware(HeadRequests)
    return app
