"""The numbered lines of a text, none longer than a bound."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from breakwall.files.source import TextFile

MAX_RECORD = 65_536  # Characters of a line or a record: a file without line ends must not fill the memory.
LEGACY = "cp1252"  # What Windows wrote before UTF-8.

_ADVICE = "save the file as UTF-8, or say --encoding cp1252 (Windows), cp949, cp932 …"
_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class TextLine:
    """A line with its end, counted from 1, or its problem."""

    number: int
    text: str
    problem: str | None = None


class Lines(Iterator[TextLine]):
    """The lines of a text, one at a time.

    ``lenient``: a text of unknown encoding that is not UTF-8 is read as Windows-1252.
    """

    def __init__(self, text: TextFile, *, lenient: bool = False) -> None:
        self._text = text
        self._lenient = lenient and text.assumed
        self._held: list[TextLine] = []
        self._number = 0
        self._beyond_ascii = False
        self.legacy = False  # whether the text is read as Windows-1252

    def __next__(self) -> TextLine:
        if self._held:
            return self._held.pop()
        text = self._text.stream.readline(MAX_RECORD + 1)
        if not text:
            raise StopIteration
        self._number += 1
        if len(text) > MAX_RECORD and not text.endswith("\n"):
            self._skip_rest()
            return TextLine(self._number, "", f"should be at most {MAX_RECORD} characters long")
        return TextLine(self._number, text) if text.isascii() else self._decoded(text)

    def put_back(self, lines: Iterable[TextLine]) -> None:
        """Yield these lines again, in this order, before the others."""
        self._held.extend(reversed(list(lines)))

    def _skip_rest(self) -> None:
        while (text := self._text.stream.readline(MAX_RECORD)) and not text.endswith("\n"):
            pass

    def _decoded(self, text: str) -> TextLine:
        wrong = _SURROGATE.search(text) if self._text.encoding.startswith("utf-8") else None
        # After a line of UTF-8 beyond ASCII the file is UTF-8: a line in another encoding is damaged.
        self.legacy |= self._lenient and wrong is not None and not self._beyond_ascii
        self._beyond_ascii = True
        if self.legacy:
            return self._from_legacy(text)
        if wrong:
            byte = ord(wrong[0]) - 0xDC00
            problem = f"byte 0x{byte:02x} at character {wrong.start() + 1} is not UTF-8: {_ADVICE}"
            return TextLine(self._number, "", problem)
        if "�" in text and not self._text.encoding.startswith("utf-8"):
            return TextLine(self._number, "", f"holds bytes that are not {self._text.encoding}")
        return TextLine(self._number, text)

    def _from_legacy(self, text: str) -> TextLine:
        raw = text.encode("utf-8", "surrogateescape")
        try:
            return TextLine(self._number, raw.decode(LEGACY))
        except UnicodeDecodeError as error:
            problem = f"byte 0x{raw[error.start]:02x} is neither UTF-8 nor Windows-1252: {_ADVICE}"
            return TextLine(self._number, "", problem)
