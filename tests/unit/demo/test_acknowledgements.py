"""The customers' record is written by one process and followed by another."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import pytest

from breakwall.demo.acknowledgements import (
    Acknowledgement,
    AcknowledgementReader,
    AcknowledgementWriter,
)


def accepted(number: int = 1, seconds: float = 0.01, status: str = "paid") -> Acknowledgement:
    return Acknowledgement(f"order-{number}", f"cart-{number}", 1000, "KRW", status, seconds)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "customers.jsonl"


def test_acknowledgements_are_read_back(path: Path) -> None:
    reader = AcknowledgementReader(path)
    with path.open("w") as stream:
        writer = AcknowledgementWriter(stream)
        writer.write("ready")
        writer.write("acknowledged", **asdict(accepted(1, status="paid")))
        writer.write("acknowledged", **asdict(accepted(2, status="queued")))
        writer.write("failed", reason="no database")
        writer.write("done")
    reader.follow()
    assert reader.acknowledgements == [accepted(1, status="paid"), accepted(2, status="queued")]
    assert reader.errors == ["no database"]
    assert reader.ready
    assert reader.done


def test_each_line_can_be_read_as_soon_as_it_is_written(path: Path) -> None:
    reader = AcknowledgementReader(path)
    with path.open("w") as stream:
        AcknowledgementWriter(stream).write("acknowledged", **asdict(accepted()))
        reader.follow()
        assert len(reader.acknowledgements) == 1


def test_a_line_that_is_half_written_waits_for_its_other_half(path: Path) -> None:
    reader = AcknowledgementReader(path)
    with path.open("wb") as stream:
        stream.write(b'{"event": "failed", "rea')
        stream.flush()
        reader.follow()
        assert reader.errors == []
        stream.write(b'son": "why"}\n')
        stream.flush()
        reader.follow()
    assert reader.errors == ["why"]


def test_a_second_look_reads_nothing_twice(path: Path) -> None:
    reader = AcknowledgementReader(path)
    with path.open("w") as stream:
        AcknowledgementWriter(stream).write("acknowledged", **asdict(accepted()))
    reader.follow()
    reader.follow()
    assert len(reader.acknowledgements) == 1


def test_a_record_that_does_not_exist_yet_is_empty(path: Path) -> None:
    reader = AcknowledgementReader(path)
    reader.follow()
    assert not reader.ready


def test_the_median_wait_leaves_the_first_customers_out(path: Path) -> None:
    reader = AcknowledgementReader(path)
    reader.acknowledgements = [accepted(seconds=seconds) for seconds in (9.0, 0.3, 0.1, 0.2)]
    assert reader.median_wait(since=1) == 0.2
    assert reader.longest_wait == 9.0


def test_without_customers_there_is_no_median_wait(path: Path) -> None:
    assert AcknowledgementReader(path).median_wait(since=0) is None
