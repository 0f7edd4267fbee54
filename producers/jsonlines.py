"""Reading orders from JSON Lines: one object a line, each line judged on its own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO, NoReturn

from breakwall.payments.orders import InvalidOrderError, Order

MAX_LINE = 65_536
"""Bytes; the longest order takes a twentieth of it, and a file without line ends does not fill the memory."""

_BOM = b"\xef\xbb\xbf"


class BadLineError(ValueError):
    """The line is not an order; the message names the field, if it has one, and what would be right."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line that is not empty: an order, or what is wrong. ``size`` is in bytes, with its end."""

    number: int
    size: int
    order: Order | None = None
    problem: str | None = None


def read_lines(stream: BinaryIO) -> Iterator[Line]:
    """Read every line of ``stream``; numbers begin with 1, and empty lines are passed over.

    Never holds more than `MAX_LINE` bytes of a line.
    """
    number = 0
    while raw := stream.readline(MAX_LINE + 1):
        number += 1
        size = len(raw)
        if size > MAX_LINE:
            size += _skip_rest(stream, raw)
            yield Line(number, size, problem=f"the line should be at most {MAX_LINE} bytes long")
            continue
        text = raw.removeprefix(_BOM) if number == 1 else raw
        if text.strip():
            yield _judged(number, size, text)


def parse_order(text: bytes) -> Order:
    """Read one order from a JSON object.

    Raises:
        BadLineError: it is not JSON, not UTF-8, or names a field twice.
        InvalidOrderError: it is an object, but no order.
    """
    try:
        document = json.loads(
            text.decode(), object_pairs_hook=_object_without_doubles, parse_constant=_no_constant
        )
    except UnicodeDecodeError:
        raise BadLineError("the line should be UTF-8 text") from None
    except json.JSONDecodeError as error:
        raise BadLineError(
            f"the line should be a JSON object: {error.msg} at character {error.pos + 1}"
        ) from None
    except (RecursionError, ValueError) as error:
        # Python reads neither thousands of brackets nor thousands of digits.
        raise BadLineError(_reason(error)) from None
    return Order.from_json(document)


def _judged(number: int, size: int, text: bytes) -> Line:
    try:
        return Line(number, size, order=parse_order(text))
    except (BadLineError, InvalidOrderError) as error:
        return Line(number, size, problem=str(error))


def _skip_rest(stream: BinaryIO, raw: bytes) -> int:
    skipped = 0
    while raw and not raw.endswith(b"\n"):
        raw = stream.readline(MAX_LINE)
        skipped += len(raw)
    return skipped


def _object_without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise BadLineError(f"{name}: should be there once, not twice")
        found[name] = value
    return found


def _no_constant(name: str) -> NoReturn:
    raise BadLineError(f"the line should be a JSON object: {name} is not JSON")


def _reason(error: Exception) -> str:
    if isinstance(error, BadLineError):
        return str(error)
    if isinstance(error, RecursionError):
        return "the line should be a JSON object without objects inside"
    return "the line holds a number with too many digits"
