"""The simulator's ledger: one writer, oldest charge first, an earlier release's file."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from breakwall.simulator.ledger import Charge, ChargeLedger, LedgerBusyError

CHARGE = Charge(
    "ch_1", "k", "o-1", "u-1", 10_000, "KRW", "succeeded", None, "2026-11-28T00:00:00+00:00", "cart-1"
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "new folder" / "ledger.db"


@pytest.fixture
def ledger(path: Path) -> Iterator[ChargeLedger]:
    ledger = ChargeLedger(path)
    yield ledger
    ledger.close()


def test_charges_come_back_oldest_first(ledger: ChargeLedger) -> None:
    charges = [replace(CHARGE, charge_id=f"ch_{number}") for number in (2, 1, 3)]
    for charge in charges:
        ledger.record(charge)
    assert list(ledger.charges()) == charges


def test_a_ledger_has_one_writer_only(ledger: ChargeLedger, path: Path) -> None:
    with pytest.raises(LedgerBusyError, match=r"ledger\.db"):
        ChargeLedger(path)


def test_a_charge_that_cannot_be_written_is_reported_and_spoils_no_other(ledger: ChargeLedger) -> None:
    ledger.record(CHARGE)
    with pytest.raises(sqlite3.IntegrityError):
        ledger.record(CHARGE)
    ledger.record(replace(CHARGE, charge_id="ch_2"))
    assert len(list(ledger.charges())) == 2


def test_a_closed_ledger_takes_no_charge_and_may_be_closed_again(ledger: ChargeLedger) -> None:
    ledger.close()
    with pytest.raises(sqlite3.Error, match="closed"):
        ledger.record(CHARGE)


def test_a_ledger_from_before_references_is_read(ledger: ChargeLedger, path: Path) -> None:
    ledger.record(CHARGE)
    ledger.close()
    with sqlite3.connect(path) as database:
        database.execute("ALTER TABLE charge DROP COLUMN reference")
    database.close()
    opened = ChargeLedger(path)
    assert list(opened.charges()) == [replace(CHARGE, reference=None)]
    opened.close()
