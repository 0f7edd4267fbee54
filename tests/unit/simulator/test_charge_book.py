"""The simulator's charge book: one writer, oldest charge first, an earlier release's file."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from breakwall.simulator.charge_book import Charge, ChargeBook, ChargeBookBusyError

CHARGE = Charge(
    "ch_1", "k", "o-1", "u-1", 10_000, "KRW", "succeeded", None, "2026-11-28T00:00:00+00:00", "cart-1"
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "new folder" / "charges.db"


@pytest.fixture
def book(path: Path) -> Iterator[ChargeBook]:
    book = ChargeBook(path)
    yield book
    book.close()


def test_charges_come_back_oldest_first(book: ChargeBook) -> None:
    charges = [replace(CHARGE, charge_id=f"ch_{number}") for number in (2, 1, 3)]
    for charge in charges:
        book.record(charge)
    assert list(book.charges()) == charges


def test_a_charge_book_has_one_writer_only(book: ChargeBook, path: Path) -> None:
    with pytest.raises(ChargeBookBusyError, match=r"charges\.db"):
        ChargeBook(path)


def test_a_charge_that_cannot_be_written_is_reported_and_spoils_no_other(book: ChargeBook) -> None:
    book.record(CHARGE)
    with pytest.raises(sqlite3.IntegrityError):
        book.record(CHARGE)
    book.record(replace(CHARGE, charge_id="ch_2"))
    assert len(list(book.charges())) == 2


def test_a_closed_charge_book_takes_no_charge_and_may_be_closed_again(book: ChargeBook) -> None:
    book.close()
    with pytest.raises(sqlite3.Error, match="closed"):
        book.record(CHARGE)


def test_a_charge_book_from_before_references_is_read(book: ChargeBook, path: Path) -> None:
    book.record(CHARGE)
    book.close()
    with sqlite3.connect(path) as database:
        database.execute("ALTER TABLE charge DROP COLUMN reference")
    database.close()
    opened = ChargeBook(path)
    assert list(opened.charges()) == [replace(CHARGE, reference=None)]
    opened.close()
