"""`backlog --watch` on a screen: nothing is wider than that, however large the numbers and long the texts."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.cells import cell_len
from rich.console import Console

from breakwall.breaker import Override, OverrideMode
from breakwall.cli.backlog.text import backlog_fields, one_line, panel, verdict, warnings
from breakwall.monitor.alarms import WHO, Alarm, Trouble
from breakwall.monitor.backlog import Backlog, Rejected
from tests.unit.monitor.backlog_looks import CLOSED, OUTAGE, PROBING, QUIET

NO_WORKER = Alarm(Trouble.NO_WORKER, "No worker is alive: what waits stays where it is.", "Start one.")
STILL = Alarm(Trouble.NOTHING_COMPLETED, "Orders wait and nothing has been completed for 5 min.", WHO)
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
    warnings=(NO_WORKER, STILL),
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
    assert lines[7] == f"  → {WHO}"
    assert len(lines) == 8 + len(backlog_fields(WORST)) + 1
    assert lines[-2].startswith("rejected        1,000,000,000 orders, for example http_401: ")
    assert lines[-2].endswith("…")


def test_an_error_stands_above_the_numbers_of_the_last_look() -> None:
    lines = drawn(OUTAGE, 80, ERROR)
    assert lines[0].startswith("Error: the orders database does not answer (")
    assert any(line.startswith("waiting         1,284 ") for line in lines)
    assert lines[-1].startswith("as of 2026-11-27 00:00:00 UTC")


def test_a_warning_is_told_with_what_to_do_and_payments_are_not_said_to_go_through() -> None:
    assert "go through" not in verdict(ALARMED)
    assert warnings(ALARMED) == [
        "[bold red]No worker is alive: what waits stays where it is.[/]",
        "  → Start one.",
    ]
    assert backlog_fields(ALARMED)["workers"] == "[bold red]none alive[/]"
    assert one_line(ALARMED).endswith("workers 0  warning no_worker")


def test_a_half_open_circuit_that_nobody_probes_is_not_said_to_be_tried() -> None:
    assert "payments try" not in verdict(replace(ALARMED, breaker=PROBING))


def test_without_a_warning_the_workers_are_counted_and_that_is_all() -> None:
    seen = replace(OUTAGE, workers=3, slots=60)
    assert (warnings(seen), backlog_fields(seen)["workers"]) == ([], "3 alive, with 60 slots")
    assert one_line(seen).endswith("breaker open  workers 3")


def test_a_worker_that_lacks_something_is_seen_in_the_backlog_as_well() -> None:
    told = backlog_fields(replace(OUTAGE, workers=3, slots=60, workers_lacking=1))["workers"]
    assert told == "3 alive, with 60 slots; [bold red]1 lacks something[/]: breakwall workers"
