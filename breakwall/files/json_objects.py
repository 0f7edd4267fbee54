"""JSON objects: one a line, over several lines, or in one array of any length."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, NoReturn

from breakwall.files.columns import shown
from breakwall.files.errors import UnreadableFileError
from breakwall.files.lines import MAX_RECORD, Lines, TextLine
from breakwall.files.source import TextFile

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[\[{]|[\]}]')
_GAP = re.compile(r"[\s,]*")
_CHUNK = 65_536


@dataclass(frozen=True, slots=True)
class JsonObject:
    """A JSON object, counted by its first line, or its problem. Fractions are `Decimal`."""

    number: int
    fields: dict[str, Any] = field(default_factory=dict)
    problem: str | None = None


class _Decoder:
    """Decodes JSON values, and finds what Python accepts although it is wrong: a name twice, NaN, infinity."""

    def __init__(self) -> None:
        self._problem: str | None = None
        self._json = json.JSONDecoder(
            object_pairs_hook=self._object, parse_constant=self._constant, parse_float=Decimal
        )

    def decode(self, text: str, at: int) -> tuple[Any, int, str | None]:
        """The value at ``at``, where it ends, and why it is not a good object.

        `ValueError` or `RecursionError` if there is no value; see `_reason`.
        """
        self._problem = None
        value, end = self._json.raw_decode(text, at)
        return value, end, self._problem or (None if isinstance(value, dict) else "should be a JSON object")

    def _object(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        fields = dict(pairs)
        if len(fields) < len(pairs):
            names = [name for name, _ in pairs]
            twice = next(name for name in names if names.count(name) > 1)
            self._problem = self._problem or f"{shown(twice)}: should be there once, not twice"
        return fields

    def _constant(self, name: str) -> None:
        self._problem = self._problem or f"should be a JSON object: {name} is not JSON"


def read_lines_of_objects(lines: Lines) -> Iterator[JsonObject]:
    """Objects that each begin on a new line. A bad one does not spoil others."""
    decoder = _Decoder()
    while (line := next(lines, None)) is not None:
        if line.problem:
            yield JsonObject(line.number, problem=line.problem)
        elif line.text.strip():
            yield _object(line, lines, decoder)


def _object(first: TextLine, lines: Lines, decoder: _Decoder) -> JsonObject:
    taken, closed = _gather(first, lines)
    if closed or len(taken) == 1:
        return _parse(first.number, "".join(line.text for line in taken), decoder)
    # The lines below may be objects themselves.
    lines.put_back(taken[1:])
    return JsonObject(first.number, problem="should be a JSON object: a bracket is not closed")


def _gather(first: TextLine, lines: Lines) -> tuple[list[TextLine], bool]:
    """The lines up to the one that closes the first one's brackets, and whether it was found.

    Counting brackets line by line is enough: no JSON string contains a line's end.
    """
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


def _parse(number: int, text: str, decoder: _Decoder) -> JsonObject:
    try:
        fields, end, problem = decoder.decode(text, _GAP.match(text).end())  # type: ignore[union-attr]
    except (ValueError, RecursionError) as error:
        return JsonObject(number, problem=_reason(error))
    if text[end:].strip():
        problem = "should be a JSON object, one for each line"
    return JsonObject(number, {} if problem else fields, problem)


def read_array(text: TextFile) -> Iterator[JsonObject]:
    """The objects of one array, which may be larger than the memory.

    `UnreadableFileError` if the array is damaged or ends early, or an object in it is too long.
    """
    window = _Window(text)
    while window.more():
        yield window.take()


class _Window:
    """The part of an array's text that is in memory. The next object begins at ``_at``."""

    def __init__(self, text: TextFile) -> None:
        self._stream = text.stream
        self._buffer, self._at, self._number = "", 0, 1
        self._whole = False
        self._decoder = _Decoder()
        self._skip_gap()
        self._go_to(self._at + 1)  # behind the array's opening bracket

    def more(self) -> bool:
        """Go to the next object; False if the array ends first."""
        if not self._skip_gap():
            self._refuse("the array ends without its closing bracket: the file is not whole")
        if self._buffer[self._at] != "]":
            return True
        self._go_to(self._at + 1)
        if self._skip_gap():
            self._refuse("there is more after the array, and there should be nothing")
        return False

    def _skip_gap(self) -> bool:
        """Skip white space and commas; False at the file's end."""
        while True:
            self._go_to(_GAP.match(self._buffer, self._at).end())  # type: ignore[union-attr]
            if self._at < len(self._buffer):
                return True
            if not self._read():
                return False

    def take(self) -> JsonObject:
        """Read the object at ``_at``."""
        number = self._number
        while True:
            try:
                fields, end, problem = self._decoder.decode(self._buffer, self._at)
            except (ValueError, RecursionError) as error:
                # The object's end may not be read yet.
                if len(self._buffer) - self._at > MAX_RECORD or not self._read():
                    self._fail(error)
                continue
            if end < len(self._buffer) or not self._read():  # A number at the end may have more digits.
                self._go_to(end)
                return JsonObject(number, {} if problem else fields, problem)

    def _fail(self, error: Exception) -> NoReturn:
        if len(self._buffer) - self._at > MAX_RECORD and not self._is_damage(error):
            self._refuse(f"an object of the array should be at most {MAX_RECORD} characters long")
        if isinstance(error, json.JSONDecodeError):
            self._go_to(max(error.pos, self._at))
            self._refuse(f"the array is damaged or ends early here: {error.msg}")
        self._refuse(f"the array {_reason(error)}")

    def _is_damage(self, error: Exception) -> bool:
        """Whether the error is well before the end of what was read, so that reading more would not help."""
        found = isinstance(error, json.JSONDecodeError) and error.pos - self._at < MAX_RECORD
        return found and not str(error).startswith("Unterminated")

    def _go_to(self, at: int) -> None:
        self._number += self._buffer.count("\n", self._at, at)
        self._at = at

    def _read(self) -> bool:
        """Drop what was used and read more; False at the file's end."""
        more = "" if self._whole else self._stream.read(_CHUNK)
        self._whole = not more
        self._buffer = self._buffer[self._at :] + more
        self._at = 0
        return bool(more)

    def _refuse(self, problem: str) -> NoReturn:
        raise UnreadableFileError(self._number, None, problem)


def _reason(error: Exception) -> str:
    match error:
        case json.JSONDecodeError():
            return f"should be a JSON object: {error.msg} at character {error.pos + 1}"
        case RecursionError():
            return "should be a JSON object without so many others inside"
    # Python refuses to read a number of thousands of digits.
    return "holds a number with too many digits"
