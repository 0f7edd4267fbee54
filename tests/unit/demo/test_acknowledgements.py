"""The customers' own record is written by one process and followed by another."""

from __future__ import annotations

from pathlib import Path

import pytest

from breakwall.demo.acknowledgements import PromiseReader, PromiseWriter
from breakwall.demo.reconciliation import Promise


def promise(number: int = 1, seconds: float = 0.01, told: str = "paid") -> Promise:
    return Promise(f"order-{number}", f"cart-{number}", 1000, "KRW", told, seconds)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "customers.jsonl"


def test_what_was_promised_is_read_back(path: Path) -> None:
    reader = PromiseReader(path)
    with path.open("w") as stream:
        writer = PromiseWriter(stream)
        writer.ready()
        writer.promised(promise(1, told="paid"))
        writer.promised(promise(2, told="queued"))
        writer.refused("cart-3", "no database")
        writer.done()
    reader.follow()
    assert reader.promises == [promise(1, told="paid"), promise(2, told="queued")]
    assert reader.told == {"paid": 1, "queued": 1}
    assert reader.refusals == ["no database"]
    assert reader.ready
    assert reader.done


def test_each_line_can_be_read_as_soon_as_it_is_written(path: Path) -> None:
    reader = PromiseReader(path)
    with path.open("w") as stream:
        PromiseWriter(stream).promised(promise())
        reader.follow()
        assert len(reader.promises) == 1


def test_a_line_that_is_half_written_waits_for_its_other_half(path: Path) -> None:
    reader = PromiseReader(path)
    with path.open("wb") as stream:
        stream.write(b'{"event": "refused", "key": "k", "rea')
        stream.flush()
        reader.follow()
        assert reader.refusals == []
        stream.write(b'son": "why"}\n')
        stream.flush()
        reader.follow()
    assert reader.refusals == ["why"]


def test_looking_again_reads_nothing_twice(path: Path) -> None:
    reader = PromiseReader(path)
    with path.open("w") as stream:
        PromiseWriter(stream).promised(promise())
    reader.follow()
    reader.follow()
    assert len(reader.promises) == 1


def test_a_record_that_does_not_exist_yet_is_empty(path: Path) -> None:
    reader = PromiseReader(path)
    reader.follow()
    assert not reader.ready


def test_the_usual_wait_is_the_middle_customers(path: Path) -> None:
    reader = PromiseReader(path)
    reader.promises = [promise(seconds=seconds) for seconds in (9.0, 0.3, 0.1, 0.2)]
    assert reader.usual_wait(since=1) == 0.2
    assert reader.longest_wait == 9.0


def test_nobodys_wait_is_none(path: Path) -> None:
    assert PromiseReader(path).usual_wait(since=0) is None
