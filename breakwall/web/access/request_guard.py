"""Refuses requests that another site's page has made a browser send. Pure ASGI: streams pass unchanged."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from breakwall.urls.host_names import address_in, host_in, is_loopback, is_wildcard
from breakwall.web.access.access import cookie_name
from breakwall.web.problems import ProblemError, ProblemType, problem_response

SAFE_METHODS = {"GET", "HEAD", "OPTIONS", "TRACE"}
JSON_ROUTES = "/v1/"
# Payment services call these, in the form that each of them uses. They come with a signature, and never with a cookie.
HOOKS = "/v1/hooks/"
_HOSTS_KEPT = (
    64  # Of which it is remembered whether they are the server's: nearly all requests name one or two.
)
FORMS = ("application/x-www-form-urlencoded", "multipart/form-data", "text/plain")


class RequestGuard:
    """Answers a foreign request itself, and passes on the others."""

    def __init__(self, app: ASGIApp, *, is_own_host: Callable[[str], bool]) -> None:
        self._app = app
        self._is_own_host = is_own_host

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and (problem := self._problem_of(HTTPConnection(scope))) is not None:
            await problem_response(problem)(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _problem_of(self, request: HTTPConnection) -> ProblemError | None:
        if not self._has_own_host(request):
            return ProblemError(ProblemType.FOREIGN_HOST, "The Host header does not name this server.")
        if request.scope["method"] in SAFE_METHODS:
            return None
        if "authorization" not in request.headers and _is_cross_site(request):
            return ProblemError(ProblemType.CROSS_SITE, "A page of another site has sent this request.")
        if _is_form(request) and is_json_route(request.scope["path"]):
            return ProblemError(ProblemType.UNSUPPORTED_MEDIA_TYPE, "The body should be JSON.")
        return None

    def _has_own_host(self, request: HTTPConnection) -> bool:
        """Otherwise a name that its owner points at this machine's address would make a foreign page one of ours."""
        given = request.headers.getlist("host")
        host = host_in(given[0]) if len(given) == 1 else None
        return host is not None and self._is_own_host(host)


def own_hosts(bound: str, names: frozenset[str]) -> Callable[[str], bool]:
    """Whether a host is the server's own: loopback, the address that it is bound to, or one of the names.

    A server that is bound to every address of the machine takes any address, but no other name: only names can be
    pointed elsewhere.
    """

    @lru_cache(maxsize=_HOSTS_KEPT)
    def is_own(host: str) -> bool:
        is_bound = host == bound.lower() or (is_wildcard(bound) and address_in(host) is not None)
        return host in names or is_loopback(host) or is_bound

    return is_own


def is_json_route(path: str) -> bool:
    """Whether bodies are JSON."""
    return path.startswith(JSON_ROUTES) and not path.startswith(HOOKS)


def _is_cross_site(request: HTTPConnection) -> bool:
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site not in {"same-origin", "none"}
    origin = request.headers.get("origin")
    if origin is not None:
        return _address(origin) != request.headers["host"].lower()
    # Every browser sends one of the two. So this is a program, and a program's cookie is stolen or a mistake.
    return cookie_name(request) in request.cookies


def _address(origin: str) -> str | None:
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:  # No browser sends such an origin.
        return None


def _is_form(request: HTTPConnection) -> bool:
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    return media_type in FORMS
