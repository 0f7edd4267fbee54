"""The page's files: each at an address that has its content's hash, so that a browser keeps it for good."""

from __future__ import annotations

import hashlib
import mimetypes
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from fastapi import APIRouter, Request
from fastapi.responses import Response

from breakwall.web.problems import ProblemError, ProblemType

STATIC = Path(__file__).parents[1] / "static"
FOREVER = "public, max-age=31536000, immutable"

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True, slots=True)
class Asset:
    """A file in memory. ``digest``: the first 16 hexadecimal digits of its SHA-256."""

    name: str
    content: bytes
    media_type: str
    digest: str

    @property
    def address(self) -> str:
        """Changes with the content."""
        return f"/static/{self.digest}/{self.name}"


@cache
def assets() -> dict[str, Asset]:
    """All files that a page loads, by their names in `breakwall/web/static`."""
    files = sorted(path for path in STATIC.rglob("*") if path.suffix in {".js", ".css", ".svg"})
    return {path.relative_to(STATIC).as_posix(): _read(path) for path in files}


def _read(path: Path) -> Asset:
    content = path.read_bytes()
    kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    text = f"{kind}; charset=utf-8"
    return Asset(path.relative_to(STATIC).as_posix(), content, text, hashlib.sha256(content).hexdigest()[:16])


@router.get("/static/{name:path}")
def static(name: str, request: Request) -> Response:
    """A file, with or without its hash before its name. A wrong hash is of another version: it is not found."""
    digest, _, rest = name.partition("/")
    if (asset := assets().get(rest)) is not None and asset.digest == digest:
        return Response(asset.content, media_type=asset.media_type, headers={"Cache-Control": FOREVER})
    if (asset := assets().get(name)) is None:
        raise ProblemError(ProblemType.NOT_FOUND, "There is no such file.")
    headers = {"Cache-Control": "no-cache", "ETag": f'"{asset.digest}"'}
    if request.headers.get("If-None-Match") == headers["ETag"]:
        return Response(status_code=304, headers=headers)
    return Response(asset.content, media_type=asset.media_type, headers=headers)


@router.get("/favicon.ico")
def icon(request: Request) -> Response:
    """Browsers ask here if a page names no icon."""
    return static("icon.svg", request)
