"""A route whose problems are answered with a page: a browser shows it to a person."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse, Response
from fastapi.routing import APIRoute

from breakwall.web.page.rendering import answer, reader
from breakwall.web.page.verdict import unreachable
from breakwall.web.problems import ProblemError, ProblemType


class PageRoute(APIRoute):
    """Raises no `ProblemError`: the page says the same."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler with this answer around it."""
        handle = super().get_route_handler()

        async def handled(request: Request) -> Response:
            try:
                return await handle(request)
            except ProblemError as problem:
                return await self.answer_problem(request, problem)

        return handled

    async def answer_problem(self, request: Request, problem: ProblemError) -> Response:
        """The page that says it."""
        return _page_of(request, problem)


def _page_of(request: Request, problem: ProblemError) -> HTMLResponse:
    if problem.type is ProblemType.UNAVAILABLE:
        page = away(request)
    else:
        status = problem.type.value.status
        page = answer(request, "problem.html", status=status, detail=problem.detail)
    page.headers.update(problem.headers or {})
    return page


def away(request: Request) -> HTMLResponse:
    """While the database does not answer, nothing is known."""
    return answer(request, "unreachable.html", status=503, verdict=unreachable(reader(request)))
