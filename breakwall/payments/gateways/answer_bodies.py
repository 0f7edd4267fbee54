"""An answer's body: from its bytes to a JSON object, and to the protocol's fields.

A body that has only one meaning is accepted, however it is written; any other raises `UnreadableError`.
"""

import codecs
import json
import re
import zlib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from breakwall.payments.gateways.base import ChargeDetails

_GZIP = b"\x1f\x8b"
# Gzip or zlib, by its header; else RFC 1951's bare stream, which some servers send as "deflate".
_FORMATS = (32 + zlib.MAX_WBITS, -zlib.MAX_WBITS)
_PLAIN = frozenset({"", "identity", "gzip", "x-gzip"})  # gzip is recognised by its first bytes
_CODING = re.compile(r"[a-z0-9, -]{1,20}", re.ASCII)
_MARKUP = re.compile(rb"(?:\xef\xbb\xbf)?\s*(<[!?]?[A-Za-z]{1,12})")

_CHARSET = re.compile(r"charset\s*=\s*[\"']?([A-Za-z0-9_.:-]{1,40})", re.ASCII)
# Not every codec of Python: punycode takes quadratic time.
_CHARSETS = ("utf-8", "utf-16", "utf-32", "ascii", "iso8859", "cp", "koi8", "euc_", "shift_jis", "gb", "big5")

# A run of nine digits may be part of a card number.
_CODE = re.compile(r"(?!.*[0-9]{9})[A-Za-z0-9_.:-]{1,64}", re.ASCII)
_CODE_FIELDS = (
    "decline_code",
    "failure_code",
    "error_code",
    "reason_code",
    "code",
    "decline_reason",
    "reason",
    "error",
)
_CODE_PLACES = ("error", "errors", "decline", "failure", "details")

_CHARGE_ID_LENGTH, _EXCERPT_LENGTH = 255, 40
UNREADABLE = "unexpected_body"  # The code of an answer that cannot be read.


class UnreadableError(Exception):
    """The answer cannot be read. The text says why, without secrets, as the end of "It answered, but …"."""


def read_object(headers: Mapping[str, str], body: bytes | None, max_body: int) -> dict[str, Any]:
    """The JSON object in ``body``, which may be compressed, in any declared charset, or begin with a BOM.

    ``headers`` have names in lower case. ``body`` is as received, or None if it was longer than ``max_body`` bytes, the
    limit of the decompressed body too.
    """
    if body is None:
        raise _too_long(max_body)
    data = _decompress(body, headers.get("content-encoding", "").strip().lower(), max_body)
    value = _parse(data, headers.get("content-type", ""))
    if not isinstance(value, dict):
        raise UnreadableError("its body is JSON, but not an object")
    return value


def read_status(fields: Mapping[str, Any]) -> str:
    """The ``status`` in lower case; `UnreadableError` if it is missing or not a text."""
    value = fields.get("status")
    if value is None:
        raise UnreadableError("its body has no `status`")
    if not isinstance(value, str):
        raise UnreadableError("its `status` is not a text")
    return value.strip().lower()


def unknown_status(fields: Mapping[str, Any]) -> UnreadableError:
    """The error for a ``status`` outside the protocol."""
    return UnreadableError(f"its `status` is {excerpt(fields['status'])}, which the protocol does not know")


def excerpt(text: str) -> str:
    """The beginning of ``text`` in quotes, printable."""
    return repr(text[:_EXCERPT_LENGTH])


def read_charge_id(fields: Mapping[str, Any]) -> str:
    """The charge's id: 1 to 255 printable characters, or `UnreadableError`. A whole number becomes text."""
    value = fields.get("charge_id")
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if problem := _charge_id_problem(value):
        raise UnreadableError(f"its `charge_id` {problem}")
    return str(value)


def read_details(fields: Mapping[str, Any]) -> ChargeDetails:
    """The fields that name the charge, unchecked. Fields of nested objects do not count."""
    return ChargeDetails(fields.get("order_id"), fields.get("amount"), fields.get("currency"))


def find_code(fields: Mapping[str, Any]) -> str | None:
    """The service's own code, from the places where services put it; only one that is short and plain."""
    places = [fields, *_nested(fields)]
    for field in _CODE_FIELDS:
        for place in places:
            value = place.get(field)
            if isinstance(value, str) and _CODE.fullmatch(value):
                return value
    return None


def _nested(fields: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for name in _CODE_PLACES:
        inner = fields.get(name)
        if isinstance(inner, list) and inner:
            inner = inner[0]
        if isinstance(inner, dict):
            yield inner


def _charge_id_problem(value: object) -> str | None:
    if value is None:
        return "is missing"
    if not isinstance(value, str):
        return "is neither a text nor a whole number"
    if not value.strip():
        return "is empty"
    if len(value) > _CHARGE_ID_LENGTH:
        return f"is longer than {_CHARGE_ID_LENGTH} characters"
    return None if value.isprintable() else "has control characters in it"


def _too_long(max_body: int) -> UnreadableError:
    return UnreadableError(f"its body is longer than {max_body:,} bytes")


def _decompress(body: bytes, coding: str, max_body: int) -> bytes:
    # We ask for no compression, but some servers and proxies compress nevertheless, or only say so.
    if body.startswith(_GZIP):
        return _inflate(body, max_body)
    if coding in _PLAIN or body.lstrip().startswith(b"{"):
        return body
    if coding == "deflate":
        return _inflate(body, max_body)
    name = coding if _CODING.fullmatch(coding) else "something unknown"
    raise UnreadableError(f"its body is compressed with {name}, which was not asked for")


def _inflate(body: bytes, max_body: int) -> bytes:
    """``body`` decompressed; the memory never holds more than ``max_body`` bytes of it."""
    for form in _FORMATS:
        inflater = zlib.decompressobj(form)
        with suppress(zlib.error):
            data = inflater.decompress(body, max_body + 1)
            if len(data) > max_body:
                raise _too_long(max_body)
            if inflater.eof and not inflater.unused_data:
                return data
    raise UnreadableError("its compressed body is damaged")


def _parse(data: bytes, content_type: str) -> Any:
    texts = list(_decoded(data, content_type))
    for text in texts:
        with suppress(ValueError, RecursionError):
            return json.loads(text)
    if not data.strip():
        raise UnreadableError("its body is empty")
    if markup := _MARKUP.match(data):
        raise UnreadableError(f"its body is no JSON: it begins with {markup[1].decode()}")
    raise UnreadableError("its body is no JSON" if texts else "its body is not UTF-8")


def _decoded(data: bytes, content_type: str) -> Iterator[str]:
    """Decoded as the declared charset, then as Unicode, because declarations can be wrong."""
    for charset in (_declared_charset(content_type), json.detect_encoding(data)):
        with suppress(UnicodeDecodeError):
            if charset:
                yield data.decode(charset)


def _declared_charset(content_type: str) -> str | None:
    if not (declared := _CHARSET.search(content_type.lower())):
        return None
    try:
        name = codecs.lookup(declared[1]).name
    except LookupError:
        return None
    return name if name.startswith(_CHARSETS) else None
