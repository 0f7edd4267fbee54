"""What was typed into a form that was refused: the browser keeps it for some minutes, in a cookie of this address.

So the answer to a refused form is a page with an address of its own: one can go back to it, load it again, or sign in
first. Every server process can show it, and no text is stored here. Nothing is done by it: it fills in the form, and
the person presses the button again.
"""

from __future__ import annotations

import base64
import json
import re
import secrets
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import Request
from fastapi.responses import RedirectResponse, Response

from breakwall.web.access.access import is_https
from breakwall.web.page.acting.action_page import ActionRefusedError

COOKIE = "breakwall_form"  # With a number behind it.
AGAIN = "again"  # The parameter of the address that says which kept form is meant.
KEPT_FOR = 900  # Seconds: time enough to look for a token.
# Browsers keep a cookie of 4096 bytes with its name. All fields of the longest form fit into these parts.
PART, MOST_PARTS = 3800, 3
_MOST_UNPACKED = 40_000  # Bytes.

_ID = re.compile("[0-9a-f]{16}")
_PLAIN_PATH = re.compile("[A-Za-z0-9/_-]+")


@dataclass(frozen=True, slots=True)
class KeptForm:
    """``refused``: why, or None if that is said otherwise. ``nothing_done``: this much is known.

    ``sender``: the name of the token that sent it; None: it is not known, or no token is needed.
    """

    given: Mapping[str, str]
    refused: ActionRefusedError | None = None
    nothing_done: bool = True
    sender: str | None = None


def back_to_form(request: Request, form: KeptForm) -> Response | None:
    """To the address of the form that was sent, where `kept_form` finds it. None: it is too long to be kept."""
    packed, form_id = _packed(form), secrets.token_hex(8)
    parts = [packed[start : start + PART] for start in range(0, len(packed), PART)]
    if len(parts) > MOST_PARTS:
        return None
    gone = RedirectResponse(f"{request.url.path}?{AGAIN}={form_id}", 303)
    for number, part in enumerate(parts):
        gone.set_cookie(
            f"{COOKIE}{number}",
            f"{form_id}.{part}",
            max_age=KEPT_FOR,
            path=_path(request),
            secure=is_https(request),
            httponly=True,
            samesite="strict",
        )
    return gone


def kept_form(request: Request, person: str | None) -> KeptForm | None:
    """The form that the address means; None: none, it is not kept any more, or it is another person's.

    ``person``: the name of the token of who asks.
    """
    form_id = request.query_params.get(AGAIN, "")
    if not _ID.fullmatch(form_id) or _comes_from_elsewhere(request):
        return None
    found = [request.cookies.get(f"{COOKIE}{number}", "") for number in range(MOST_PARTS)]
    # A part of another form is left out: it may have been longer.
    parts = [one.removeprefix(f"{form_id}.") for one in found if one.startswith(f"{form_id}.")]
    form = _unpacked("".join(parts))
    return None if form is None or form.sender not in {None, person} else form


def _comes_from_elsewhere(request: Request) -> bool:
    """Whether a page of another site, or of another port of this host, led here: it may have written the cookie too."""
    return request.headers.get("sec-fetch-site", "none") not in {"same-origin", "none"}


def forget_form(request: Request, response: Response) -> None:
    """Let the browser forget what it has kept for this address."""
    for name in (f"{COOKIE}{number}" for number in range(MOST_PARTS)):
        if name in request.cookies:
            response.delete_cookie(
                name, path=_path(request), secure=is_https(request), httponly=True, samesite="strict"
            )


def _path(request: Request) -> str:
    path = request.url.path
    return path if _PLAIN_PATH.fullmatch(path) else "/act"


def _packed(form: KeptForm) -> str:
    refused = form.refused
    why = None if refused is None else [refused.sentence, refused.status, dict(refused.problems)]
    written = json.dumps([dict(form.given), why, form.nothing_done, form.sender], ensure_ascii=False).encode()
    return base64.urlsafe_b64encode(zlib.compress(written, 9)).decode().rstrip("=")


def _unpacked(text: str) -> KeptForm | None:
    """None for what this server has not written: anybody can write a cookie of their own."""
    try:
        packed = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        given, why, nothing_done, sender = json.loads(zlib.decompressobj().decompress(packed, _MOST_UNPACKED))
        refused = None if why is None else ActionRefusedError(_text(why[0]), _status(why[1]), _texts(why[2]))
        return KeptForm(_texts(given), refused, bool(nothing_done), None if sender is None else _text(sender))
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError, zlib.error):
        return None


def _texts(found: Any) -> dict[str, str]:
    return {_text(name): _text(value) for name, value in found.items()}


def _text(found: Any) -> str:
    text = str(found)
    text.encode()  # Half a surrogate pair is an error here, not when the page is sent.
    return text


def _status(found: Any) -> int:
    if found not in range(400, 600):
        raise ValueError("no status of a refusal")
    return int(found)
