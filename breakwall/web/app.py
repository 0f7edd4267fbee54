"""The application: every route, what stands before them, and how errors are answered."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from breakwall import __version__
from breakwall.web import hooks
from breakwall.web.page.routes import router as page_router
from breakwall.web import audit
from breakwall.web.access.protect import protect
from breakwall.web import bulk_retries
from breakwall.monitor.history.sampler import Sampler
from breakwall.web.live import routes as live
from breakwall.web.problems import ProblemError, answer_problem
from breakwall.web.services import Services


def create_app(services: Services, *, host: str = "127.0.0.1") -> FastAPI:
    """The application over ``services``, which it closes when it ends. ``host``: the address that it is bound to."""

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
    app.include_router(hooks.router)
    app.include_router(page_router)
    app.include_router(audit.router)
    protect(app, services.settings, services.database, host, clock=services.clock)
    app.include_router(bulk_retries.router)
    app.include_router(live.router)
    return app
