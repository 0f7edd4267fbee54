"""The lines of `backlog --stat`."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from breakwall.breaker import OverrideMode
from breakwall.cli.backlog.stat import COLUMNS, Second, StatLines, header, line
from breakwall.monitor.counts import Counted
from breakwall.monitor.history.traffic import Traffic
from breakwall.terminal.options import Format
from tests.unit.monitor.snapshots import CLOSED, FORCED, NOON, OUTAGE

FIRST = Second(OUTAGE, NOON)
NEXT = Second(OUTAGE, NOON, 2.0, Traffic(arrivals=7, paid=2, declined=1))


def test_each_number_stands_under_its_name() -> None:
    values = dict(zip([name for name, _ in COLUMNS], line(NEXT).split(), strict=True))
    assert values["time"] == "12:00:00"
    assert (values["breaker"], values["queued"], values["oldest"]) == ("open", "1284", "725s")
    assert (values["arrive/s"], values["finish/s"], values["broker"]) == ("3.5", "1.5", "-")
    assert len(header()) == len(line(NEXT))


def test_a_line_fits_a_terminal_of_a_hundred_and_twenty_columns() -> None:
    assert len(header()) <= 120


def test_the_first_line_knows_no_rate() -> None:
    assert line(FIRST).split()[8:10] == ["-", "-"]


def test_a_lower_bound_has_a_plus() -> None:
    seen = replace(OUTAGE, counted=Counted.AT_LEAST, aside_counted=Counted.AT_LEAST)
    values = line(Second(seen, NOON)).split()
    assert (values[2], values[5], values[6]) == ("1284+", "0+", "0+")


def test_a_forced_state_is_shown_in_place_of_the_computed_one() -> None:
    forced = replace(CLOSED, override=FORCED[OverrideMode.FORCED_OPEN])
    assert line(Second(replace(OUTAGE, breaker=forced), NOON)).split()[1] == "forced_open"
    lost = replace(CLOSED, store_ok=False)
    assert line(Second(replace(OUTAGE, breaker=lost), NOON)).split()[1] == "unknown"


def test_the_header_comes_again_after_a_screen(capsys: pytest.CaptureFixture[str]) -> None:
    lines = StatLines(Format.TEXT)
    for _ in range(23):
        lines.show(NEXT)
    shown = capsys.readouterr().out.splitlines()
    assert [number for number, each in enumerate(shown) if each == header()] == [0, 23]


def test_in_json_each_line_is_a_document(capsys: pytest.CaptureFixture[str]) -> None:
    lines = StatLines(Format.JSON)
    lines.show(FIRST)
    lines.show(NEXT)
    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    assert (first["arrivals_per_second"], second["arrivals_per_second"]) == (None, 3.5)
    assert (second["breaker"], second["queued"], second["workers"]) == ("open", 1284, 0)
