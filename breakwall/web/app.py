"""The application: every route, what stands before them, and how errors are answered."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from breakwall import __version__
from breakwall.web import breakers, metrics, queue
from breakwall.web.problems import ProblemError, answer_problem
from breakwall.web.services import Services


def create_app(services: Services) -> FastAPI:
    """The application over ``services``, which it closes when it ends."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        await services.close()

    app = FastAPI(title="Breakwall", version=__version__, docs_url=None, redoc_url=None, lifespan=lifespan)
    app.state.services = services
    app.state.scrapes = metrics.Scrapes(services)
    app.add_exception_handler(ProblemError, answer_problem)
    app.include_router(metrics.router)
    app.include_router(breakers.router)
    app.include_router(queue.router)
    return app
