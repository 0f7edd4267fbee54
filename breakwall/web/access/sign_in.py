"""Signing in with a browser: a form that takes a token, and a cookie for the time after it. It needs no JavaScript."""

from __future__ import annotations

import re
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response
from starlette.concurrency import run_in_threadpool

from breakwall.access.sessions import LIFE, begin_session, end_session
from breakwall.access.tokens import AccessToken
from breakwall.payments.db.database import DatabaseUnavailableError
from breakwall.payments.interventions import Author
from breakwall.payments.operator.action_log import OperatorAction, recorded
from breakwall.web.access.access import Access, address_of, cookie_name, is_https, unavailable
from breakwall.web.page.labels import SIGN_IN_PROBLEMS, label
from breakwall.web.page.rendering import answer, reader
from breakwall.web.problems import ProblemError, ProblemType

LONGEST = 2000  # Characters of a token, or of the path to go back to.

router = APIRouter(include_in_schema=False)

# A path of this server. Two slashes, or a slash and a backslash, would lead to another one.
_OWN_PATH = re.compile(r"/(?![/\\])[\x21-\x5b\x5d-\x7e]*")


async def redirect_to_form(request: Request, _: Exception) -> Response:
    """To the form, and from there back to the page."""
    query = f"?{request.url.query}" if request.url.query else ""
    form = request.url_for("show_form").include_query_params(next=f"{request.url.path}{query}")
    return RedirectResponse(f"{form.path}?{form.query}", status_code=303)


@router.get("/login")
def show_form(request: Request, next: str = "/") -> Response:  # noqa: A002 - the usual name
    """The form. Where no token is needed, it says so."""
    try:
        return _form(request, next, needed=_access(request).requires_token())
    except ProblemError as problem:
        return _form(request, next, problem=problem)


@router.post("/login")
async def sign_in(request: Request) -> Response:
    """Begin a session, and go to the page that was asked for."""
    # By hand, because a declared form would be repeated in the answer to an invalid one.
    given = await request.form(max_files=0, max_fields=10)
    token, next_page = (str(given.get(name, "")) for name in ("token", "next"))
    return await run_in_threadpool(_sign_in, request, token.strip()[:LONGEST], next_page)


def _sign_in(request: Request, token: str, next_page: str) -> Response:
    access = _access(request)
    try:
        found = access.check_token(token, address_of(request))
        cookie = _begin(access, found)
    except ProblemError as problem:
        return _form(request, next_page, problem=problem)
    except DatabaseUnavailableError:
        return _form(request, next_page, problem=unavailable())
    gone = RedirectResponse(_own_path(next_page), status_code=303)
    gone.set_cookie(
        cookie_name(request),
        cookie,
        max_age=int(LIFE),
        path="/",
        secure=is_https(request),
        httponly=True,
        samesite="strict",
    )
    return gone


def _begin(access: Access, token: AccessToken) -> str:
    """A new session, recorded in the audit trail."""
    with recorded(
        access.database, Author(token.name), OperatorAction.TOKEN_SIGN_IN, token.name, clock=access.clock
    ):
        cookie = begin_session(access.database, token.digest, clock=access.clock)
    access.tokens.outdate()
    return cookie


@router.post("/logout")
def sign_out(request: Request) -> Response:
    """End the session in every process, and go to the form."""
    name, access = cookie_name(request), _access(request)
    try:
        # Nothing is written for a cookie that is made up.
        if access.session_token(request) is not None:
            end_session(access.database, request.cookies[name])
            access.tokens.outdate()
    except (DatabaseUnavailableError, ProblemError) as error:
        raise ProblemError(
            ProblemType.UNAVAILABLE,
            "The orders database does not answer, so this browser is still signed in.",
            headers={"Retry-After": "2"},
        ) from error
    gone = RedirectResponse("/login", status_code=303)
    gone.delete_cookie(name, path="/", secure=is_https(request), httponly=True, samesite="strict")
    return gone


def _form(
    request: Request, next_page: str, *, problem: ProblemError | None = None, needed: bool = True
) -> Response:
    shown: dict[str, Any] = {"next": _own_path(next_page), "problem": None, "needed": needed}
    if problem is None:
        return answer(request, "login.html", **shown)
    shown["problem"] = label(SIGN_IN_PROBLEMS, problem.type.name, reader(request))
    page = answer(request, "login.html", status=problem.type.value.status, **shown)
    page.headers.update(problem.headers or {})
    return page


def _own_path(text: str) -> str:
    return text if len(text) <= LONGEST and _OWN_PATH.fullmatch(text) else "/"


def _access(request: Request) -> Access:
    access: Access = request.app.state.access
    return access
