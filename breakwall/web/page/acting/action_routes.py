"""The addresses of an action: GET shows its form. POST does it and goes back, or to the form again, which says why."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode, urlsplit

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from breakwall.errors import BreakwallError
from breakwall.payments.db.errors import DatabaseUnavailableError
from breakwall.payments.interventions import Author
from breakwall.web.access.access import RETRY_AFTER
from breakwall.web.action_body import Operator
from breakwall.web.errors import problem_of
from breakwall.web.page.acting.action_page import (
    ActionImpossibleError,
    ActionPage,
    ActionRefusedError,
    Done,
)
from breakwall.web.page.acting.asked import Asked, SentForm, read_form
from breakwall.web.page.acting.kept_form import AGAIN, KeptForm, back_to_form, forget_form, kept_form
from breakwall.web.page.problem_route import PageRoute, away
from breakwall.web.page.rendering import answer, reader
from breakwall.web.page.words import Words
from breakwall.web.problems import ProblemError, ProblemType
from breakwall.web.services import UsedServices

Show = Callable[[Asked], ActionPage]
"""Gives the page as things are now. Raises `ActionImpossibleError`."""

Act = Callable[[Asked, Author], Done]
"""Does it, once the fields are right. Raises `ActionRefusedError` or `ActionImpossibleError`."""


class ActionRoute(PageRoute):
    """Keeps a form whose sender is not, or not any more, known: signing in leads to the form, with all that was typed.

    The guard has refused the forms of other sites before.
    """

    async def answer_problem(self, request: Request, problem: ProblemError) -> Response:
        """Of a form: back to its address, which says the rest."""
        is_kept = problem.type in _NOT_NOW and "authorization" not in request.headers
        if request.method == "POST" and is_kept:
            form = KeptForm(await read_form(request), _not_now(problem, reader(request)))
            if (gone := back_to_form(request, form)) is not None:
                return gone
        return await super().answer_problem(request, problem)


_NOT_NOW = {ProblemType.UNAUTHENTICATED, ProblemType.FORBIDDEN, ProblemType.UNAVAILABLE}


def _not_now(problem: ProblemError, words: Words) -> ActionRefusedError:
    """Of a form that was not even looked at."""
    if problem.type is ProblemType.UNAVAILABLE:
        return ActionRefusedError(
            words.text("Nothing was done: the orders database did not answer. Send the form again."), 503
        )
    return ActionRefusedError(
        words.text(
            "Nothing was done: you were not signed in with a token that may do it. Send the form again if you still "
            "want it."
        )
    )


def action_router() -> APIRouter:
    """A router for actions: `add_action` fills it. Who may not act gets a page that says so."""
    return APIRouter(include_in_schema=False, route_class=ActionRoute)


def add_action(router: APIRouter, address: str, show: Show, act: Act) -> None:
    """Add both routes of an action. ``address`` may have parameters: they are in `Asked.path`."""

    def form(request: Request, services: UsedServices, operator: Operator) -> Response:
        kept = kept_form(request, operator.name)
        given = dict(request.query_params) if kept is None else kept.given
        asked = Asked(services, reader(request), operator, request.path_params, given)
        return _shown(request, asked, show, kept)

    def send(request: Request, services: UsedServices, operator: Operator, given: SentForm) -> Response:
        asked = Asked(services, reader(request), operator, request.path_params, given)
        return _done(request, asked, show, act)

    router.add_api_route(address, form, methods=["GET"])
    router.add_api_route(address, send, methods=["POST"])


def _shown(request: Request, asked: Asked, show: Show, kept: KeptForm | None) -> Response:
    """The action's page as things are now, after a refusal with everything that was typed."""
    try:
        page = show(asked)
    except ActionImpossibleError as error:
        if kept is not None and error.status == 503:
            return _send_again(request, asked, error.why, nothing_done=kept.nothing_done)
        return _impossible(request, error, None if kept is None else kept.refused)
    except DatabaseUnavailableError:
        if kept is None:
            return away(request)
        return _send_again(request, asked, _away(asked), nothing_done=kept.nothing_done)
    except BreakwallError as error:
        raise problem_of(error) from error
    return _form(request, asked, page, kept)


def _done(request: Request, asked: Asked, show: Show, act: Act) -> Response:
    sender = asked.principal.name
    try:
        page = show(asked)
        done = act(asked, asked.author(page))
    except ActionRefusedError as refused:
        kept = KeptForm(asked.given, refused, refused.status != 503, sender)
    except ActionImpossibleError as error:
        kept = KeptForm(asked.given, ActionRefusedError(error.why, error.status), sender=sender)
    except DatabaseUnavailableError:
        kept = KeptForm(asked.given, ActionRefusedError(_away(asked), 503), False, sender)
    except BreakwallError as error:
        raise problem_of(error) from error
    else:
        asked.services.live.look_again()
        gone = RedirectResponse(_with_done(done.address or page.back, done.kind), 303)
        forget_form(request, gone)
        return gone
    return back_to_form(request, kept) or _shown(request, asked, show, kept)


def _with_done(address: str, kind: str) -> str:
    """The address with what was done, and at its top, where it is said."""
    parts = urlsplit(address)
    query = "&".join(part for part in (parts.query, urlencode({"done": kind})) if part)
    return f"{parts.path}?{query}"


def _form(request: Request, asked: Asked, page: ActionPage, kept: KeptForm | None) -> Response:
    refused, typed = (_lost(request, asked), None) if kept is None else (kept.refused, kept.given)
    shown: dict[str, Any] = {"page": page, "fields": list(asked.fields(page)), "refused": refused}
    status = 200 if refused is None else refused.status
    html = answer(request, "act.html", status=status, typed=typed, **shown)
    if status == 503:
        html.headers["Retry-After"] = str(RETRY_AFTER)
    return html


def _lost(request: Request, asked: Asked) -> ActionRefusedError | None:
    """What an address that means a kept form says without one: nobody should take it for a form that was not sent."""
    if AGAIN not in request.query_params:
        return None
    return ActionRefusedError(
        asked.words.text(
            "What was typed here is not kept any more: the form was sent meanwhile, 15 minutes have passed, somebody "
            "else has signed in, or the browser keeps no cookies. Look at what is the case now before you send it."
        ),
        200,
    )


def _impossible(
    request: Request, error: ActionImpossibleError, refused: ActionRefusedError | None
) -> Response:
    if refused is not None and refused.sentence == error.why:
        refused = None  # Nothing has changed since.
    return answer(request, "impossible.html", status=error.status, error=error, refused=refused)


def _away(asked: Asked) -> str:
    return asked.words.text(
        "The orders database does not answer. Nothing was changed, unless the connection was lost meanwhile."
    )


def _send_again(request: Request, asked: Asked, why: str, *, nothing_done: bool) -> Response:
    """While something does not answer, nobody can say what the form is about. It can be sent again as it is.

    ``nothing_done``: that much is known.
    """
    shown: dict[str, Any] = {"given": asked.given, "why": why, "nothing_done": nothing_done}
    html = answer(request, "send_again.html", status=503, **shown)
    html.headers["Retry-After"] = str(RETRY_AFTER)
    return html
