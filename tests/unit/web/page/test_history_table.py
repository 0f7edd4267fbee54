"""The chart's table."""

from __future__ import annotations

from breakwall.web.page.history_table import MOST_ROWS, history_rows
from breakwall.web.page.words import Words
from tests.page_snapshots import history


def test_the_chart_as_a_table_is_short_and_newest_first() -> None:
    rows = history_rows(history("down"), Words("en"))
    assert len(rows) == MOST_ROWS
    assert rows[0].at == "2026-11-28 10:19:50"
    assert (rows[0].circuit, rows[-1].circuit) == ("open", "closed")
    assert history_rows([], Words("en")) == []
