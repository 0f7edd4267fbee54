"""JSON: objects one a line, spread over several lines, or within one array of any length."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, NoReturn

from breakwall.files.columns import shown
from breakwall.files.errors import UnreadableFileError
from breakwall.files.lines import MAX_RECORD, Line, Lines
from breakwall.files.source import Text

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[\[{]|[\]}]')
_GAP = re.compile(r"[\s,]*")
_CHUNK = 65_536


@dataclass(frozen=True, slots=True)
class Object:
    """A JSON object, counted by its first line; or what is wrong with it. Fractions are `Decimal`."""

    number: int
    fields: dict[str, Any] = field(default_factory=dict)
    problem: str | None = None


class _FaultError(ValueError):
    """It is JSON, but not what is asked for."""


def read_lines_of_objects(lines: Lines) -> Iterator[Object]:
    """Objects that each begin on a line of their own. A bad one takes no other along."""
    while (line := next(lines, None)) is not None:
        if line.problem:
            yield Object(line.number, problem=line.problem)
        elif line.text.strip():
            yield _object(line, lines)


def _object(first: Line, lines: Lines) -> Object:
    taken, closed = _gather(first, lines)
    if closed or len(taken) == 1:
        return parse_object(first.number, "".join(line.text for line in taken))
    # The lines below may be objects of their own.
    lines.put_back(taken[1:])
    return Object(first.number, problem="should be a JSON object: a bracket is not closed")


def _gather(first: Line, lines: Lines) -> tuple[list[Line], bool]:
    """Lines up to that which closes the first one's brackets. No text of JSON goes over a line's end."""
    taken, size, depth = [first], len(first.text), _depth(first.text)
    while depth > 0 and first.text.lstrip().startswith("{"):
        line = next(lines, None)
        if line is None:
            return taken, False
        taken.append(line)
        size += len(line.text)
        if line.problem or size > MAX_RECORD:
            return taken, False
        depth += _depth(line.text)
    return taken, True


def _depth(text: str) -> int:
    tokens = _TOKEN.findall(text)
    return tokens.count("{") + tokens.count("[") - tokens.count("}") - tokens.count("]")


def parse_object(number: int, text: str) -> Object:
    """Read one object: no name in it is there twice."""
    try:
        value, end = _DECODER.raw_decode(text, _GAP.match(text).end())  # type: ignore[union-attr]
    except (ValueError, RecursionError) as error:
        return Object(number, problem=_reason(error))
    if not isinstance(value, dict) or text[end:].strip():
        return Object(number, problem="should be a JSON object, one for each line")
    return Object(number, value)


def read_array(text: Text) -> Iterator[Object]:
    """The objects of one array, which may be longer than the memory.

    Raises:
        UnreadableFileError: the array is damaged or ends early, or an object in it is too long.
    """
    window = _Window(text)
    window.begin()
    while window.more():
        yield window.take()


class _Window:
    """The part of an array's text that is looked at. ``_at`` is where the next object begins."""

    def __init__(self, text: Text) -> None:
        self._stream = text.stream
        self._buffer = ""
        self._at = 0
        self._number = 1
        self._whole = False

    def begin(self) -> None:
        """Go past the array's opening bracket."""
        self._skip_gap()
        self._go_to(self._at + 1)

    def more(self) -> bool:
        """Go to the next object, if there is one before the closing bracket."""
        if not self._skip_gap():
            self._refuse("the array ends without its closing bracket: the file is not whole")
        if self._buffer[self._at] != "]":
            return True
        self._go_to(self._at + 1)
        if self._skip_gap():
            self._refuse("there is more after the array, and there should be nothing")
        return False

    def _skip_gap(self) -> bool:
        """Go past white space and commas; False at the file's end."""
        while True:
            self._go_to(_GAP.match(self._buffer, self._at).end())  # type: ignore[union-attr]
            if self._at < len(self._buffer):
                return True
            if not self._read():
                return False

    def take(self) -> Object:
        """The object here; the next one is looked for behind it."""
        number = self._number
        try:
            value = self._decode(_DECODER)
        except _FaultError as fault:
            self._decode(_PLAIN)
            return Object(number, problem=str(fault))
        if isinstance(value, dict):
            return Object(number, value)
        return Object(number, problem="should be a JSON object")

    def _decode(self, decoder: json.JSONDecoder) -> Any:
        while True:
            try:
                value, end = decoder.raw_decode(self._buffer, self._at)
            except _FaultError:
                raise
            except (ValueError, RecursionError) as error:
                # An object whose end is not read yet is no JSON either.
                if len(self._buffer) - self._at > MAX_RECORD or not self._read():
                    self._fail(error)
                continue
            if end < len(self._buffer) or not self._read():  # A number at the end may go on.
                self._go_to(end)
                return value

    def _fail(self, error: Exception) -> NoReturn:
        if len(self._buffer) - self._at > MAX_RECORD and not self._is_damage(error):
            self._refuse(f"an object of the array should be at most {MAX_RECORD} characters long")
        if isinstance(error, json.JSONDecodeError):
            self._go_to(max(error.pos, self._at))
            self._refuse(f"the array is damaged or ends early here: {error.msg}")
        self._refuse(f"the array {_reason(error)}")

    def _is_damage(self, error: Exception) -> bool:
        """Whether reading on would not have helped: it is wrong well before the end of what was read."""
        found = isinstance(error, json.JSONDecodeError) and error.pos - self._at < MAX_RECORD
        return found and not str(error).startswith("Unterminated")

    def _go_to(self, at: int) -> None:
        self._number += self._buffer.count("\n", self._at, at)
        self._at = at

    def _read(self) -> bool:
        """Forget what is behind and read on; False at the file's end."""
        more = "" if self._whole else self._stream.read(_CHUNK)
        self._whole = not more
        self._buffer = self._buffer[self._at :] + more
        self._at = 0
        return bool(more)

    def _refuse(self, problem: str) -> NoReturn:
        raise UnreadableFileError(self._number, None, problem)


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise _FaultError(f"{shown(twice)}: should be there once, not twice")
    return fields


def _no_constant(name: str) -> NoReturn:
    raise _FaultError(f"should be a JSON object: {name} is not JSON")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_without_doubles, parse_constant=_no_constant, parse_float=Decimal
)
_PLAIN = json.JSONDecoder()


def _reason(error: Exception) -> str:
    match error:
        case _FaultError():
            return str(error)
        case json.JSONDecodeError():
            return f"should be a JSON object: {error.msg} at character {error.pos + 1}"
        case RecursionError():
            return "should be a JSON object without so many others inside"
    # Python reads no number of thousands of digits.
    return "holds a number with too many digits"
