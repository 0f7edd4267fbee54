"""`/problems`: what the ``type`` of a problem document leads to. For people as HTML, for programs as JSON."""

from __future__ import annotations

from html import escape

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, JSONResponse, Response
from pydantic import BaseModel, Field

from breakwall.web.problems import PATH, ProblemError, ProblemKind, ProblemType

router = APIRouter(tags=["problems"])

HTML = {"text/html": {"schema": {"type": "string"}}}


class ProblemTypeDocument(BaseModel):
    """One type of problem."""

    type: str = Field(description="The value of `type` in a problem document.")
    status: int = Field(description="The HTTP status that it comes with.")
    title: str
    explanation: str = Field(description="What to do about it.")


@router.get(
    PATH,
    summary="All types of problems",
    response_model=list[ProblemTypeDocument],
    responses={200: {"content": HTML}},
)
async def list_problem_types(request: Request) -> Response:
    """HTML if the request accepts it, else JSON."""
    if not _wants_html(request):
        return JSONResponse([_document(one).model_dump() for one in ProblemType])
    entries = "".join(f"<dt>{_link(one)}</dt><dd>{escape(one.value.title)}</dd>" for one in ProblemType)
    return _page("Problems that the API answers with", f"<dl>{entries}</dl>")


@router.get(
    f"{PATH}/{{slug}}",
    summary="One type of problem",
    response_model=ProblemTypeDocument,
    responses={200: {"content": HTML}},
)
async def show_problem_type(slug: str, request: Request) -> Response:
    """HTML if the request accepts it, else JSON."""
    found = next((one for one in ProblemType if one.value.slug == slug), None)
    if found is None:
        raise ProblemError(ProblemType.NOT_FOUND, "No type of problem has this name.")
    if not _wants_html(request):
        return JSONResponse(_document(found).model_dump())
    return _page(found.value.title, _explained(found.value))


def _wants_html(request: Request) -> bool:
    return "text/html" in request.headers.get("accept", "").lower()


def _document(one: ProblemType) -> ProblemTypeDocument:
    kind = one.value
    return ProblemTypeDocument(
        type=one.address, status=kind.status, title=kind.title, explanation=kind.explanation
    )


def _link(one: ProblemType) -> str:
    return f'<a href="{one.address}">{one.value.slug}</a> ({one.value.status})'


def _explained(kind: ProblemKind) -> str:
    return (
        f"<p>{escape(kind.explanation)}</p><p>It comes with the HTTP status {kind.status}.</p>"
        f'<p><a href="{PATH}">All types of problems</a></p>'
    )


def _page(title: str, body: str) -> HTMLResponse:
    """A page without styles and scripts, so that every content-security policy shows it."""
    return HTMLResponse(
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>{escape(title)} – Breakwall</title></head>"
        f"<body><main><h1>{escape(title)}</h1>{body}</main></body></html>"
    )
