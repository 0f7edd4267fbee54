"""From a file's bytes to its text: gzip, byte order marks, encodings, and what is no text at all."""

from __future__ import annotations

import codecs
import gzip
import io
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from breakwall.files.errors import UnreadableFileError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

HEAD = 4096
"""Bytes from the beginning that are looked at."""

_GZIP = b"\x1f\x8b"
# The longer ones first: UTF-32's begins like UTF-16's.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_SAVE_AS = "should be text: save it as CSV (UTF-8), or export it as CSV"
_FOREIGN = (
    (b"PK\x03\x04", f"is an Excel workbook or a ZIP archive and {_SAVE_AS}; unpack an archive first"),
    (b"\xd0\xcf\x11\xe0", f"is an old Excel workbook and {_SAVE_AS}"),
    (b"%PDF", f"is a PDF and {_SAVE_AS}"),
    (b"BZh", "is packed with bzip2 and should be text, or packed with gzip"),
    (b"\xfd7zXZ", "is packed with xz and should be text, or packed with gzip"),
    (b"\x28\xb5\x2f\xfd", "is packed with zstd and should be text, or packed with gzip"),
)


class Source(io.RawIOBase):
    """A stream whose first bytes were read already. Closing it leaves the stream open.

    Attributes:
        position: bytes that were handed on.
    """

    def __init__(self, stream: BinaryIO | gzip.GzipFile) -> None:
        self._stream = stream
        self.position = 0
        self.head = b""
        self.head = self._read(HEAD)
        self._left = self.head

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer).cast("B")
        given = self._left[: len(view)] or self._read(len(view))
        self._left = self._left[len(given) :]
        view[: len(given)] = given
        self.position += len(given)
        return len(given)

    def _read(self, size: int) -> bytes:
        try:
            return self._stream.read(size)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise UnreadableFileError(
                None, None, f"the file's gzip data is damaged or ends early ({error}): fetch the file again"
            ) from None


@dataclass(frozen=True, slots=True)
class Text:
    """A file's text.

    Attributes:
        stream: where line ends of any kind are ``\\n``. Bytes that the encoding does not know are surrogates
            where it is UTF-8, and U+FFFD elsewhere.
        encoding: what it is read as.
        assumed: nothing said so, neither the caller nor a byte order mark.
        first: the first character that is no white space; empty where the beginning has none.
        source: the bytes as they come from the file, before anything is unpacked.
    """

    stream: io.TextIOWrapper
    encoding: str
    assumed: bool
    first: str
    source: Source


def open_text(stream: BinaryIO, encoding: str | None = None) -> Text:
    """Open a file's text, also within gzip. Nothing is held but some kilobytes.

    Args:
        stream: the bytes, from their beginning.
        encoding: what to read them as; None: as the byte order mark says, else UTF-8.

    Raises:
        UnreadableFileError: it is known not to be text.
    """
    source = packed = Source(stream)
    if packed.head.startswith(_GZIP):
        source = Source(gzip.GzipFile(fileobj=io.BufferedReader(packed)))
    _refuse_foreign(source.head, encoding)
    marked = next((name for mark, name in _MARKS if source.head.startswith(mark)), None)
    chosen = marked or encoding or "utf-8"
    errors = "surrogateescape" if chosen in {"utf-8", "utf-8-sig"} else "replace"
    text = io.TextIOWrapper(io.BufferedReader(source), encoding=chosen, errors=errors)
    first = source.head.decode(chosen, "replace").lstrip()[:1]
    if first == "<":
        raise UnreadableFileError(
            None, None, "the file is an HTML or XML page, perhaps of a log-in, and should be CSV or JSON"
        )
    return Text(text, chosen, not (marked or encoding), first, packed)


def check_encoding(name: str) -> str:
    """An encoding's name as Python knows it.

    Raises:
        LookupError: there is no such encoding of text.
    """
    b"".decode(name)
    found = codecs.lookup(name).name
    return "utf-8" if found == "utf-8-sig" else found


def _refuse_foreign(head: bytes, encoding: str | None) -> None:
    for magic, problem in _FOREIGN:
        if head.startswith(magic):
            raise UnreadableFileError(None, None, f"the file {problem}")
    if encoding or any(head.startswith(mark) for mark, _ in _MARKS) or not _binary(head):
        return
    for name, zeros in (("utf-16-le", head[1::2]), ("utf-16-be", head[::2])):
        if zeros.count(0) * 2 > len(zeros):
            advice = f"the file looks like UTF-16 without a byte order mark: say --encoding {name}"
            raise UnreadableFileError(None, None, advice)
    raise UnreadableFileError(None, None, "the file holds binary data and should be CSV or JSON text")


def _binary(head: bytes) -> bool:
    """Whether more than a byte in twenty is one that no text has."""
    controls = sum(head.count(byte) for byte in range(32) if byte not in b"\t\n\r\f\x1b")
    return controls * 20 > len(head)
