"""Tokens and headers: what can be sent as one."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable
from pathlib import Path

from breakwall.credentials.watched_files import WatchedFiles, named, read_line

# Headers that Breakwall sends itself, or that describe the form of a request.
_RESERVED = re.compile(
    "(accept|proxy)(-.*)?|connection|content-.*|expect|host|idempotency-key|keep-alive|te|trailer"
    "|transfer-encoding|upgrade|user-agent",
    re.IGNORECASE,
)

_TOKEN = re.compile(r"[!-~]+")
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE = re.compile(r"[!-~]([ -~]*[!-~])?")


def check_token(token: str) -> None:
    """Check a bearer token."""
    if not _TOKEN.fullmatch(token):
        raise ValueError("should be one token of visible ASCII characters, without spaces and line breaks")


def read_token(path: Path) -> str:
    """The bearer token in a file; a line break at its end is ignored."""
    token = read_line(path)
    check_token(token)
    return token


class TokenFile(WatchedFiles[str]):
    """A bearer token in a file, read again when the file changes. Raises `ValueError` without a token."""

    def __init__(self, path: Path) -> None:
        super().__init__([path], lambda: named("PAYMENT_TOKEN_FILE", lambda: read_token(path)), "token")


def basic_auth(user: str, password: str) -> str:
    """The header's value for HTTP basic authentication."""
    return f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode('ascii')}"


def parse_headers(text: str) -> dict[str, str]:
    """Read and check the headers in a JSON object of texts. No header may be invalid, reserved or there twice."""
    try:
        pairs = json.loads(text, object_pairs_hook=tuple)  # a list would look like a JSON array
    except (ValueError, RecursionError):
        pairs = None
    if not isinstance(pairs, tuple) or not all(isinstance(value, str) for _, value in pairs):
        raise ValueError('should be a JSON object of texts, such as {"X-Shop": "17"}')
    for name, value in pairs:
        _check_header(name, value)
    if len({name.lower() for name, _ in pairs}) < len(pairs):
        raise ValueError("names a header twice")
    return dict(pairs)


def read_headers(path: Path) -> dict[str, str]:
    """The headers in a file, as in `parse_headers`."""
    return parse_headers(read_line(path))


def names_authorization(headers: Iterable[str]) -> bool:
    """Whether one of these headers is ``Authorization``."""
    return "authorization" in {name.lower() for name in headers}


def _check_header(name: str, value: str) -> None:
    if not _HEADER_NAME.fullmatch(name):
        raise ValueError("names a header that cannot be one")
    if _RESERVED.fullmatch(name):
        raise ValueError(f"should not set {name}: Breakwall sets what it needs of it")
    if not _HEADER_VALUE.fullmatch(value):
        raise ValueError(
            f"gives {name} a value that is empty, not ASCII, or has a line break or outer spaces"
        )
