"""The application: every route, what stands before them, and how errors are answered."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from breakwall import __version__
from breakwall.monitor.history.sampler import Sampler
from breakwall.web.live import routes as live
from breakwall.web.problems import ProblemError, answer_problem
from breakwall.web.services import Services


def create_app(services: Services) -> FastAPI:
    """The application over ``services``, which it closes when it ends."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        sampler = Sampler(services.monitor)
        sampler.start()
        yield
        services.stopping.begin()
        await asyncio.to_thread(sampler.stop)
        await services.close()

    app = FastAPI(title="Breakwall", version=__version__, docs_url=None, redoc_url=None, lifespan=lifespan)
    app.state.services = services
    app.add_exception_handler(ProblemError, answer_problem)
    app.include_router(live.router)
    return app
