"""`backlog --watch` on a screen: nothing is wider than that, however large the numbers and long the texts."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.cells import cell_len
from rich.console import Console

from breakwall.breaker import Override, OverrideMode
from breakwall.cli.backlog.fields import backlog_fields
from breakwall.cli.backlog.watch import panel
from breakwall.monitor.alarms import CHECK_WORKERS, Alarm, AlarmKind
from breakwall.monitor.backlog import Backlog
from breakwall.monitor.counts import Rejected
from tests.unit.monitor.snapshots import CLOSED, OUTAGE, PROBING, QUIET

NO_WORKER = Alarm(AlarmKind.NO_WORKER, "No worker is alive: waiting orders are not charged.", "Start one.")
STALLED = Alarm(
    AlarmKind.NOTHING_COMPLETED, "Orders wait, but none of them was finished for 5 min.", CHECK_WORKERS
)
ALARMED = replace(OUTAGE, due=9, workers=0, breaker=CLOSED, warnings=(NO_WORKER,))
WORST = replace(
    ALARMED,
    queued=1_284_000_000,
    due=1_284_000_000,
    in_flight=10**9,
    review=123_456,
    dead=123_456,
    incidents=1_234_567,
    broker_messages=10**10,
    rejected=Rejected(10**9, "http_401: " + "말이 길다 " * 60),
    breaker=replace(
        PROBING, override=Override(OverrideMode.FORCED_OPEN, "moving it " * 30, "ana" * 80, 900.0, None)
    ),
    warnings=(NO_WORKER, STALLED),
)
ERROR = "the orders database does not answer (" + "a long reason " * 10 + "); nothing was changed."


def drawn(seen: Backlog, columns: int, error: str | None = None) -> list[str]:
    console = Console(file=io.StringIO(), width=columns, force_terminal=True, color_system=None)
    console.print(panel(seen, error=error))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


@pytest.mark.parametrize("columns", [60, 80])
@pytest.mark.parametrize("error", [None, ERROR])
@pytest.mark.parametrize("seen", [QUIET, OUTAGE, ALARMED, WORST], ids=["quiet", "outage", "alarmed", "worst"])
def test_a_look_fits_a_screen_of_24_lines(seen: Backlog, columns: int, error: str | None) -> None:
    lines = drawn(seen, columns, error)
    assert max(map(cell_len, lines)) <= columns
    assert len(lines) <= 24


def test_at_80_columns_each_sentence_is_one_line_and_each_name_whole() -> None:
    lines = [line.rstrip() for line in drawn(WORST, 80)]
    assert lines[1] == "The circuit is forced open: no payment is tried; its own state is half_open."
    assert lines[7] == f"  → {CHECK_WORKERS}"
    assert len(lines) == 8 + len(backlog_fields(WORST)) + 1
    assert lines[-2].startswith("rejected        1,000,000,000 orders, for example http_401: ")
    assert lines[-2].endswith("…")


def test_an_error_stands_above_the_numbers_of_the_last_look() -> None:
    lines = drawn(OUTAGE, 80, ERROR)
    assert lines[0].startswith("Error: the orders database does not answer (")
    assert any(line.startswith("waiting         1,284 ") for line in lines)
    assert lines[-1].startswith("as of 2026-11-27 00:00:00 UTC")
