"""How an answer's body becomes a JSON object, however services wrap it."""

import gzip
import json
import tracemalloc
import zlib
from contextlib import suppress
from encodings.aliases import aliases

import pytest
from hypothesis import given
from hypothesis import strategies as st

from breakwall.payments.gateways.answer_bodies import UnreadableError, read_object

SAID = {"status": "succeeded", "charge_id": "café"}
TEXT = json.dumps(SAID, ensure_ascii=False)
PLAIN = TEXT.encode()
LIMIT = 1000


def read(body: bytes | None, coding: str = "", kind: str = "") -> dict[str, object]:
    return read_object({"content-encoding": coding, "content-type": kind}, body, LIMIT)


def why(body: bytes | None, coding: str = "", kind: str = "") -> str:
    with pytest.raises(UnreadableError) as unreadable:
        read(body, coding, kind)
    return str(unreadable.value)


def raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


@pytest.mark.parametrize("kind", ["", "application/json", "application/json; charset=utf-8", "text/html"])
def test_utf_8_is_read_whatever_the_answer_calls_itself(kind: str) -> None:
    assert read(PLAIN, kind=kind) == SAID


def test_a_byte_order_mark_is_skipped() -> None:
    assert read(b"\xef\xbb\xbf" + PLAIN) == SAID
    assert read(b"\xef\xbb\xbf" + PLAIN, kind="application/json; charset=utf-8") == SAID
    assert read(TEXT.encode("utf-16")) == SAID
    assert read(TEXT.encode("utf-16"), kind="application/json; charset=utf-16") == SAID
    assert read(b"\xff\xfe" + TEXT.encode("utf-16-le"), kind="application/json; charset=utf-16le") == SAID


@pytest.mark.parametrize(
    ("charset", "declared"),
    [
        ("latin-1", "charset=ISO-8859-1"),
        ("latin-1", 'charset="latin1"'),
        ("cp1252", "Charset = windows-1252"),
        ("utf-16-le", "charset=utf-16le"),
    ],
)
def test_the_declared_charset_counts(charset: str, declared: str) -> None:
    assert read(TEXT.encode(charset), kind=f"application/json; {declared}") == SAID


def test_a_korean_charset_is_known() -> None:
    body = '{"status": "결제"}'.encode("euc-kr")
    assert read(body, kind="application/json;charset=EUC-KR") == {"status": "결제"}


@pytest.mark.parametrize("declared", ["utf-16", "ascii", "no-such-charset", "base64", "punycode", "idna"])
def test_utf_8_is_read_although_another_charset_is_declared(declared: str) -> None:
    assert read(PLAIN, kind=f"application/json; charset={declared}") == SAID


def test_an_undeclared_charset_is_not_guessed() -> None:
    assert why(TEXT.encode("latin-1")) == "its body is not UTF-8"
    assert why(TEXT.encode("latin-1"), kind="application/json; charset=utf-8") == "its body is not UTF-8"


@pytest.mark.parametrize("coding", ["gzip", "GZIP", "x-gzip", "", "deflate"])
def test_gzip_is_recognised_by_its_bytes(coding: str) -> None:
    assert read(gzip.compress(PLAIN), coding) == SAID


@pytest.mark.parametrize("pack", [zlib.compress, raw_deflate])
def test_both_kinds_of_deflate_are_read(pack: object) -> None:
    assert callable(pack)
    assert read(pack(PLAIN), "deflate") == SAID


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "utf-8", "identity"])
def test_a_body_that_is_only_declared_compressed_is_read(coding: str) -> None:
    assert read(PLAIN, coding) == SAID


@pytest.mark.parametrize("coding", ["br", "zstd"])
def test_a_compression_that_was_not_asked_for_is_named(coding: str) -> None:
    assert why(b"\x0b\x02\x80", coding) == f"its body is compressed with {coding}, which was not asked for"


def test_an_invalid_name_of_a_compression_is_not_repeated() -> None:
    assert "s3cret" not in why(b"\x0b\x02\x80", "Bearer:s3cret")


@pytest.mark.parametrize("pack", [gzip.compress, zlib.compress, raw_deflate])
def test_a_compressed_body_is_bounded_like_a_plain_one(pack: object) -> None:
    assert callable(pack)
    assert why(pack(b" " * 50_000_000), "deflate") == "its body is longer than 1,000 bytes"
    assert read(pack(PLAIN.ljust(LIMIT)), "deflate") == SAID
    assert why(pack(PLAIN.ljust(LIMIT + 1)), "deflate") == "its body is longer than 1,000 bytes"


def test_a_bomb_is_never_decompressed() -> None:
    bomb = gzip.compress(bytes(50_000_000))
    tracemalloc.start()
    try:
        assert why(bomb, "gzip") == "its body is longer than 1,000 bytes"
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "body",
    [gzip.compress(PLAIN)[:-9], gzip.compress(PLAIN) + b"{}", b"\x1f\x8b{}"],
    ids=["cut off", "followed by more", "no gzip"],
)
def test_a_damaged_compressed_body_says_so(body: bytes) -> None:
    assert why(body, "gzip") == "its compressed body is damaged"


@pytest.mark.parametrize("charset", sorted({*aliases.values(), "mbcs", "undefined", "unicode_escape"}))
def test_no_declared_charset_raises_anything_else(charset: str) -> None:
    for body in (b"\xff{", PLAIN, b""):
        with suppress(UnreadableError):
            read(body, kind=f"application/json; charset={charset}")


@given(body=st.none() | st.binary(), coding=st.text() | st.sampled_from(["gzip", "deflate"]), kind=st.text())
def test_any_body_is_an_object_or_unreadable(body: bytes | None, coding: str, kind: str) -> None:
    with suppress(UnreadableError):
        assert isinstance(read(body, coding, kind), dict)
