"""Opens a file's bytes as text: gzip, byte order marks, encodings; refuses what is not text."""

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

HEAD = 4096  # Bytes at the beginning by which a file's kind is recognised.

_GZIP = b"\x1f\x8b"
# UTF-32 before UTF-16: its mark begins with UTF-16's.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_SAVE_AS = "should be text: save it as CSV (UTF-8), or export it as CSV"
_OTHER_KINDS = (
    (b"PK\x03\x04", f"is an Excel workbook or a ZIP archive and {_SAVE_AS}; unpack an archive first"),
    (b"\xd0\xcf\x11\xe0", f"is an old Excel workbook and {_SAVE_AS}"),
    (b"%PDF", f"is a PDF and {_SAVE_AS}"),
    (b"BZh", "is compressed with bzip2 and should be text, or compressed with gzip"),
    (b"\xfd7zXZ", "is compressed with xz and should be text, or compressed with gzip"),
    (b"\x28\xb5\x2f\xfd", "is compressed with zstd and should be text, or compressed with gzip"),
)


class PeekedStream(io.RawIOBase):
    """A stream with its first bytes in ``head`` before it is read; ``position`` counts the bytes that were read.

    Closing it leaves the stream open.
    """

    def __init__(self, stream: BinaryIO | gzip.GzipFile) -> None:
        self._stream = stream
        self.position = 0
        self.head = b""
        self.head = self._read(HEAD)
        self._unread = self.head

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer).cast("B")
        data = self._unread[: len(view)] or self._read(len(view))
        self._unread = self._unread[len(data) :]
        view[: len(data)] = data
        self.position += len(data)
        return len(data)

    def _read(self, size: int) -> bytes:
        try:
            return self._stream.read(size)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise UnreadableFileError(
                None, None, f"the file's gzip data is damaged or ends early ({error}): fetch the file again"
            ) from None


@dataclass(frozen=True, slots=True)
class TextFile:
    """A file's text."""

    # With "\n" for any line end. Undecodable bytes become surrogates in UTF-8, else U+FFFD.
    stream: io.TextIOWrapper
    encoding: str  # what it is read as
    assumed: bool  # neither the caller nor a byte order mark gave the encoding
    first: str  # the first character that is not white space; empty if the head has none
    source: PeekedStream  # the file's bytes, before decompression


def open_text(stream: BinaryIO, encoding: str | None = None) -> TextFile:
    """Open a file's text, compressed with gzip or not, with some kilobytes of it in memory at a time.

    ``encoding`` None: as the byte order mark says, else UTF-8. `UnreadableFileError` if the file is not text.
    """
    text = file = PeekedStream(stream)
    if file.head.startswith(_GZIP):
        text = PeekedStream(gzip.GzipFile(fileobj=io.BufferedReader(file)))
    _refuse_other_kinds(text.head, encoding)
    marked = next((name for mark, name in _MARKS if text.head.startswith(mark)), None)
    chosen = marked or encoding or "utf-8"
    errors = "surrogateescape" if chosen in {"utf-8", "utf-8-sig"} else "replace"
    first = text.head.decode(chosen, "replace").lstrip()[:1]
    if first == "<":
        raise UnreadableFileError(
            None, None, "the file is an HTML or XML page, perhaps of a log-in, and should be CSV or JSON"
        )
    decoded = io.TextIOWrapper(io.BufferedReader(text), encoding=chosen, errors=errors)
    return TextFile(decoded, chosen, not (marked or encoding), first, file)


def check_encoding(name: str) -> str:
    """Python's name of an encoding; `LookupError` if there is no such encoding of text."""
    b"".decode(name)
    found = codecs.lookup(name).name
    return "utf-8" if found == "utf-8-sig" else found


def _refuse_other_kinds(head: bytes, encoding: str | None) -> None:
    for magic, problem in _OTHER_KINDS:
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
    """Whether more than one byte in twenty is a control character that no text has."""
    controls = sum(head.count(byte) for byte in range(32) if byte not in b"\t\n\r\f\x1b")
    return controls * 20 > len(head)
