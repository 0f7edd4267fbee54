"""`breakwall workers` where a terminal is narrow."""

from __future__ import annotations

from dataclasses import replace

import pytest

from breakwall.cli.workers import write_fleet
from tests.unit.monitor.snapshots import BUSY, QUIET

POD = "payments-worker-7d9f8b6c5d-x2x4z"


@pytest.mark.parametrize(
    ("name", "columns", "hosted"),
    [(f"w1@{POD}", 80, False), (f"w1@{POD}", 200, True), (f"w1@{POD}", None, True), ("w1@vpn", 80, True)],
)
def test_the_host_gives_way_to_the_name_that_ends_with_it_on_a_narrow_terminal(
    name: str,
    columns: int | None,
    hosted: bool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("breakwall.cli.workers.screen", lambda: (columns, 24))
    write_fleet(replace(QUIET, workers=1), [replace(BUSY, name=name, host=POD)])
    _, _, heads, row, *_ = capsys.readouterr().out.splitlines()
    assert (" host " in heads, POD in row) == (hosted, True)
