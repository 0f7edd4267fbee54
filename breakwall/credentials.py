"""Credentials for the payment service and a proxy: tokens, headers, certificates.

A check raises `ValueError` with what would be right, and never repeats the value, which is a secret. TLS is imported
only if there are files for it, because that is slow.
"""

from __future__ import annotations

import base64
import json
import logging
import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ssl

# Headers that Breakwall sends itself, or that describe the form of a request.
_RESERVED = re.compile(
    "(accept|proxy)(-.*)?|connection|content-.*|expect|host|idempotency-key|keep-alive|te|trailer"
    "|transfer-encoding|upgrade|user-agent",
    re.IGNORECASE,
)

_TOKEN = re.compile(r"[!-~]+")
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE = re.compile(r"[!-~]([ -~]*[!-~])?")

logger = logging.getLogger(__name__)


def check_token(token: str) -> None:
    """Check a bearer token."""
    if not _TOKEN.fullmatch(token):
        raise ValueError("should be one token of visible ASCII characters, without spaces and line breaks")


def read_token(path: Path) -> str:
    """The bearer token in a file; a line break at its end is ignored."""
    try:
        token = path.read_text(encoding="ascii").strip()
    except OSError as error:
        raise ValueError(_unreadable(error)) from None
    except UnicodeDecodeError:
        token = ""
    check_token(token)
    return token


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


def check_ca_file(path: Path, context: ssl.SSLContext | None = None) -> None:
    """Check a file of certificate authorities in PEM, and load it into ``context``."""
    import ssl

    check_readable(path)
    try:
        (context or ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)).load_verify_locations(path)
    except ssl.SSLError:
        raise ValueError("should hold certificates in PEM") from None


def check_certificate(cert_file: Path, key_file: Path | None, context: ssl.SSLContext | None = None) -> None:
    """Check our certificate and its key, in one file or two, and load them into ``context``."""
    import ssl

    check_readable(cert_file)
    try:
        # With an empty password: without any, OpenSSL would ask for one at the terminal.
        (context or ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)).load_cert_chain(cert_file, key_file, lambda: "")
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise ValueError("does not belong to the key in BREAKWALL_PAYMENT_KEY_FILE") from None
        raise ValueError(_WITHOUT_KEY if key_file is None else _NO_PAIR) from None
    except OSError as error:
        raise ValueError(_unreadable(error)) from None


def check_readable(path: Path) -> None:
    """Check that a file can be read."""
    try:
        with path.open("rb") as file:
            file.read(1)
    except OSError as error:
        raise ValueError(_unreadable(error)) from None


def client_tls(ca_file: Path | None, cert_file: Path | None, key_file: Path | None) -> ssl.SSLContext | None:
    """TLS with these authorities instead of the system's, and with this certificate; None without files."""
    if ca_file is None and cert_file is None:
        return None
    import ssl

    import httpx2

    # Not `ssl.create_default_context`: with an environment variable it writes the session keys to a file.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT) if ca_file else httpx2.create_ssl_context()
    if ca_file is not None:
        check_ca_file(ca_file, context)
    if cert_file is not None:
        check_certificate(cert_file, key_file, context)
    return context


class TokenFile:
    """A bearer token in a file, read again when the file changes. Thread-safe. Raises `ValueError` without a token."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen = self._state()
        self._token = read_token(path)

    def __call__(self) -> str:
        """The token; the last valid one while the file is replaced or cannot be read."""
        # Without a lock, which a fork could leave locked for ever. Two threads would only read the file twice.
        seen = self._state()
        if seen != self._seen:
            try:
                self._token = read_token(self._path)
            except ValueError as error:
                logger.warning("BREAKWALL_PAYMENT_TOKEN_FILE %s; the last token stays in use", error)
            self._seen = seen
        return self._token

    def _state(self) -> tuple[int, ...] | None:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return (found.st_mtime_ns, found.st_ino, found.st_dev, found.st_size)


def _check_header(name: str, value: str) -> None:
    if not _HEADER_NAME.fullmatch(name):
        raise ValueError("names a header that cannot be one")
    if _RESERVED.fullmatch(name):
        raise ValueError(f"should not set {name}: Breakwall sets what it needs of it")
    if not _HEADER_VALUE.fullmatch(value):
        raise ValueError(
            f"gives {name} a value that is empty, not ASCII, or has a line break or outer spaces"
        )


_WITHOUT_KEY = (
    "should hold a certificate and its key in PEM, the key unencrypted or in BREAKWALL_PAYMENT_KEY_FILE"
)
_NO_PAIR = "should hold a certificate in PEM, and BREAKWALL_PAYMENT_KEY_FILE its key, unencrypted"


def _unreadable(error: OSError) -> str:
    return f"cannot be read: {error.strerror or type(error).__name__}"
