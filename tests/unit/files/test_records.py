"""The one reader: whatever people's files look like, the same records come out of them."""

from __future__ import annotations

import gzip
import io
import itertools
import json
import tracemalloc
from collections.abc import Iterator
from typing import Any

import pytest

from breakwall.files.columns import Columns
from breakwall.files.errors import UnreadableFileError
from breakwall.files.lines import MAX_RECORD
from breakwall.files.records import Record, Records

COLUMNS = Columns({"id": ("id",), "note": ("note",)}, ("id",))
CSV = "id,note\na,one\nb,two\n"
READ = [(2, "a", "one"), (3, "b", "two")]
OBJECTS = [{"id": "a", "note": "one"}, {"id": "b", "note": "two"}]


def records(data: bytes | str, **options: Any) -> Records:
    stream = io.BytesIO(data.encode() if isinstance(data, str) else data)
    return Records(stream, options.pop("columns", COLUMNS), **options)


def read(data: bytes | str, **options: Any) -> list[tuple[int, Any, Any]]:
    return [seen(record) for record in records(data, **options)]


def seen(record: Record) -> tuple[int, Any, Any]:
    """A record's line, id and note; or its line and problem."""
    if record.problem:
        return record.number, None, record.problem
    return record.number, *(next(iter(record.values[name]), None) for name in ("id", "note"))


def refusal(data: bytes | str, **options: Any) -> UnreadableFileError:
    with pytest.raises(UnreadableFileError) as caught:
        read(data, **options)
    return caught.value


class TestCsv:
    @pytest.mark.parametrize(
        ("separator", "end", "encoding", "compressed"),
        list(
            itertools.product(
                (",", ";", "\t", "|"),
                ("\n", "\r\n", "\r"),
                ("utf-8", "utf-8-sig", "utf-16", "utf-32"),
                (False, True),
            )
        ),
    )
    def test_is_read_with_any_separator_line_end_mark_and_within_gzip(
        self, separator: str, end: str, encoding: str, compressed: bool
    ) -> None:
        data = CSV.replace(",", separator).replace("\n", end).encode(encoding)
        assert read(gzip.compress(data, mtime=0) if compressed else data) == READ

    @pytest.mark.parametrize(
        "data",
        [
            "sep=;\nid;note\na;one\n",
            '"sep=;"\r\nid;note\r\na;one\r\n',
            '"id","note"\n"a","one"\n',
            " ID , Note \n a , one \n",
            "note,Id,other\none,a,x\n",
            "id,note,\na,one,\n",
            "id,note\na,one,,\n",
            "\n\nid,note\n\na,one\n",
            "Report of 27 November\nMerchant,From,To,Pages,Currency,Zone\nid,note\na,one\n",
        ],
    )
    def test_is_read_as_spreadsheets_and_services_write_it(self, data: str) -> None:
        assert [record[1:] for record in read(data)] == [("a", "one")]

    def test_keeps_a_key_as_it_is_written(self) -> None:
        assert read("id\n000123\n1e5\n")[0][1] == "000123"

    def test_counts_lines_as_an_editor_does(self) -> None:
        assert [number for number, _, _ in read('\nid,note\n\na,"two\r\nlines"\r\nb,x\n')] == [4, 6]

    def test_a_shorter_row_lacks_the_rest(self) -> None:
        assert read("id,note\nTotal\n") == [(2, "Total", None)]

    @pytest.mark.parametrize(
        ("bad", "problem"),
        [
            ("a,b,c", "has 3 columns, the header has 2"),
            ('a,"b', "cannot be split into columns: "),
            ('a,"b"c', "cannot be split into columns: "),
            ("x" * (MAX_RECORD + 1), "should be at most 65536 characters long"),
        ],
    )
    def test_a_bad_row_does_not_spoil_others(self, bad: str, problem: str) -> None:
        rows = read(f"id,note\n{bad}\na,one\n{bad}\nb,two\n")
        assert [row for row in rows if row[1]] == [(3, "a", "one"), (5, "b", "two")]
        bad_rows = [row for row in rows if not row[1]]
        assert [row[0] for row in bad_rows] == [2, 4]
        assert all(row[2].startswith(problem) for row in bad_rows)

    def test_a_quote_that_is_never_closed_does_not_spoil_others_in_a_long_file(self) -> None:
        rows = read('id,note\n"a,one\n' + "b,two\n" * 50_000)
        assert (len(rows), rows[0][1], rows[1]) == (50_001, None, (3, "b", "two"))

    def test_a_quoted_cell_has_a_hundred_lines_at_most(self) -> None:
        """Else each quote that is not closed would cost as much as a whole record."""
        fits, exceeds = (f'id,note\na,"{chr(10) * lines}"\nb,two\n' for lines in (99, 100))
        assert [row[1] for row in read(fits)] == ["a", "b"]
        assert next(row[2] for row in read(exceeds)) == "cannot be split into columns: a quote is not closed"

    def test_a_header_alone_has_no_records(self) -> None:
        assert read("id,note\n") == []

    def test_a_file_without_our_columns_is_refused_and_its_own_are_named(self) -> None:
        error = refusal("Reference;Text\na;one\n")
        assert (error.line, error.field) == (1, "id")
        assert "the file has the columns Reference, Text." in error.problem
        assert "--columns id=…" in error.problem


class TestEncodings:
    def test_windows_text_is_recognised_if_lenient(self) -> None:
        found = records("id,note\na,one\nb,Müller\nc,é\n".encode("cp1252"), lenient=True)
        assert [seen(record)[1:] for record in found] == [("a", "one"), ("b", "Müller"), ("c", "é")]
        assert found.legacy

    def test_utf_8_is_never_read_as_windows_text(self) -> None:
        found = records("id,note\na,Müller\n", lenient=True)
        assert ([seen(record) for record in found], found.legacy) == ([(2, "a", "Müller")], False)

    def test_a_damaged_line_of_utf_8_is_reported_and_the_others_are_read(self) -> None:
        found = records("id,note\na,Müller\n".encode() + b"b,\xff\nc,x\n", lenient=True)
        _, damaged, last = map(seen, found)
        assert damaged[0] == 3
        assert "byte 0xff at character 3 is not UTF-8" in damaged[2]
        assert "--encoding cp1252" in damaged[2]
        assert last == (4, "c", "x")

    def test_no_encoding_is_guessed_otherwise(self) -> None:
        assert "--encoding cp1252" in read("id,note\na,Müller\n".encode("cp1252"))[0][2]

    @pytest.mark.parametrize("name", ["cp1252", "cp949", "utf-16-le", "mac-roman"])
    def test_the_named_encoding_is_used(self, name: str) -> None:
        text = "한국" if name == "cp949" else "Müller"
        assert read(f"id,note\na,{text}\n".encode(name), encoding=name) == [(2, "a", text)]

    def test_bytes_that_the_encoding_does_not_have_are_reported(self) -> None:
        assert "not cp949" in read(b"id,note\na,\xff\n", encoding="cp949")[0][2]

    def test_utf_16_without_a_mark_is_named(self) -> None:
        assert "--encoding utf-16-le" in str(refusal(CSV.encode("utf-16-le")))
        assert "--encoding utf-16-be" in str(refusal(CSV.encode("utf-16-be")))


class TestJson:
    @pytest.mark.parametrize(
        "data",
        [
            json.dumps(OBJECTS),
            json.dumps(OBJECTS, indent=2),
            "[" + ",\n".join(map(json.dumps, OBJECTS)) + "]\n",
            "[\r\n" + "\r\n,".join(map(json.dumps, OBJECTS)) + "\r\n]",
            "\n".join(map(json.dumps, OBJECTS)),
            "\r\n\r\n".join(map(json.dumps, OBJECTS)) + "\r\n",
            "\n".join(json.dumps(item, indent=2) for item in OBJECTS),
        ],
        ids=range(7),
    )
    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
    def test_an_array_and_lines_are_read_however_they_are_laid_out(self, data: str, encoding: str) -> None:
        assert [record[1:] for record in read(data.encode(encoding))] == [("a", "one"), ("b", "two")]

    def test_objects_are_counted_by_their_first_line(self) -> None:
        for data in ("\n" + json.dumps(OBJECTS, indent=1), "\n\n" + "\n".join(map(json.dumps, OBJECTS))):
            numbers = [number for number, _, _ in read(data)]
            assert numbers == ([3, 7] if "[" in data else [3, 4])

    @pytest.mark.parametrize(
        ("bad", "problem"),
        [
            ("nonsense", "should be a JSON object"),
            ("[1]", "should be a JSON object"),
            ('{"id": "x"', "should be a JSON object: a bracket is not closed"),
            ('{"id": "x"} {}', "should be a JSON object, one for each line"),
            ('{"id": "x", "id": "y"}', "id: should be there once, not twice"),
            ('{"id": NaN}', "should be a JSON object: NaN is not JSON"),
            ('{"id": ' + "9" * 9000 + "}", "holds a number with too many digits"),
            ("[" * 60_000, "should be a JSON object without so many others inside"),
            ('{"id": "' + "x" * MAX_RECORD + '"}', "should be at most 65536 characters long"),
        ],
        ids=range(9),
    )
    def test_a_bad_line_does_not_spoil_others(self, bad: str, problem: str) -> None:
        good = [json.dumps(item) for item in OBJECTS]
        first, bad_line, last = read("\n".join([good[0], bad, good[1]]))
        assert (first, last) == ((1, "a", "one"), (3, "b", "two"))
        assert (bad_line[0], bad_line[2]) == (2, problem) or bad_line[2].startswith(problem)

    @pytest.mark.parametrize("bad", ["1", '"text"', "[1]", "null", '{"id": 1, "id": 2}', '{"id": Infinity}'])
    def test_an_odd_item_of_an_array_does_not_spoil_others(self, bad: str) -> None:
        first, odd, last = read(f'[{{"id": "a"}},\n{bad},\n{{"id": "b"}}]')
        assert (first[1], odd[0], odd[1], last[1]) == ("a", 2, None, "b")

    @pytest.mark.parametrize(
        ("data", "line", "problem"),
        [
            ('[{"id": "a"},\n{"id": "b"}', 2, "not whole"),
            ('[{"id": "a"},\n{"id": ', 2, "damaged or ends early"),
            ('[{"id": "a"},\n{"id": }, {}]', 2, "damaged"),
            ('[{"id": "a"}]\n[]', 2, "more after the array"),
            ('[{"id": "' + "x" * 3 * MAX_RECORD + '"}]', 1, "at most 65536 characters"),
            ('[{"id": "a"}' + " " * 9 * MAX_RECORD, 1, "not whole"),
        ],
        ids=range(6),
    )
    def test_an_array_that_is_damaged_or_not_whole_is_refused(
        self, data: str, line: int, problem: str
    ) -> None:
        error = refusal(data)
        assert error.line == line
        assert problem in error.problem

    def test_a_list_within_an_object_is_named_with_a_remedy(self) -> None:
        error = refusal(json.dumps({"object": "list", "data": OBJECTS}))
        assert error.field == "data"
        assert "jq -c '.data[]'" in error.problem

    def test_control_characters_in_names_are_not_printed(self) -> None:
        assert str(refusal(json.dumps({"\x1b[2J": OBJECTS}))).isprintable()
        assert str(refusal(json.dumps({"\x1b[2J": 1}))).isprintable()
        assert read('{"\\u001b": 1, "\\u001b": 2}\n{"id": "a"}')[0][2].isprintable()

    def test_objects_without_our_fields_are_refused_with_theirs(self) -> None:
        assert "the file has the columns reference, text." in str(refusal('{"reference": 1, "text": 2}'))

    def test_a_chosen_field_must_exist_in_some_object(self) -> None:
        columns = Columns({"id": ("id",), "note": ("note",)}, ("id",), {"note": ["meta.note"]})
        last = json.dumps({"id": "b", "meta": {"note": None}})
        assert len(read('{"id": "a"}\n' + last, columns=columns)) == 2
        assert "'meta.note' (note)" in str(refusal('{"id": "a"}\n{"id": "b"}', columns=columns))


class TestAnotherKindOfFile:
    @pytest.mark.parametrize(
        ("data", "problem"),
        [
            (b"PK\x03\x04\x14\x00", "Excel workbook or a ZIP archive"),
            (b"\xd0\xcf\x11\xe0\xa1\xb1", "old Excel workbook"),
            (b"%PDF-1.7", "PDF"),
            (b"<!DOCTYPE html><html>", "HTML or XML"),
            (b"\n <?xml version='1.0'?>", "HTML or XML"),
            (b"BZh9", "bzip2"),
            (bytes(range(256)), "binary data"),
            (b"", "empty"),
            (b"\n\n", "empty"),
            (b"\xef\xbb\xbf", "empty"),
            (gzip.compress(b"", mtime=0), "empty"),
            (gzip.compress(CSV.encode() * 9, mtime=0)[:-9], "damaged or ends early"),
            (gzip.compress(b"PK\x03\x04", mtime=0), "Excel"),
            (b"ref^note\na^one\n", "should be columns with , ; | or tabs between them, and is ref^note"),
        ],
    )
    def test_is_named(self, data: bytes, problem: str) -> None:
        assert problem in str(refusal(data))

    def test_may_be_empty_if_that_is_allowed(self) -> None:
        assert read(b"\n", may_be_empty=True) == []


class Endless(io.RawIOBase):
    """A file that is written while it is read."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._left = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._left = self._left or next(self._pieces, b"")
        given = self._left[: len(buffer)]
        self._left = self._left[len(given) :]
        buffer[: len(given)] = given
        return len(given)


class TestTheMemory:
    MORE = 30_000

    @pytest.mark.parametrize(
        ("first", "piece", "last"),
        [
            (b"id,note\n", b"a,one\n", b""),
            (b"", b'{"id": "a", "note": "one"}\n', b""),
            (b'[{"id": "z"}', b', {"id": "a", "note": "one"}', b"]"),
        ],
        ids=["csv", "lines", "array on one line"],
    )
    def test_holds_a_file_of_any_length(self, first: bytes, piece: bytes, last: bytes) -> None:
        """The files are some megabytes; a gigabyte takes as little and longer."""
        pieces = itertools.chain([first], itertools.repeat(piece * 100, self.MORE // 100), [last])
        stream = io.BufferedReader(Endless(filter(None, pieces)))
        tracemalloc.start()
        count = sum(1 for record in Records(stream, COLUMNS) if not record.problem)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert count >= self.MORE
        assert most < 2_500_000

    def test_holds_no_line_without_an_end(self) -> None:
        stream = io.BufferedReader(Endless(iter([b"id,note\n", *[b"x" * 10_000] * 2_000])))
        tracemalloc.start()
        (only,) = Records(stream, COLUMNS)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert "at most" in (only.problem or "")
        assert most < 2_500_000


def test_the_stream_stays_open_for_its_owner() -> None:
    stream = io.BytesIO(CSV.encode())
    assert len(list(Records(stream, COLUMNS))) == 2
    assert not stream.closed
