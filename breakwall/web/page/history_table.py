"""The chart as a table, for who does not see it or has no JavaScript. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from breakwall.monitor.history.sample import Sample
from breakwall.web.page.snapshot import arrivals_a_minute, completions_a_minute
from breakwall.web.page.words import Words

MOST_ROWS = 12


@dataclass(frozen=True, slots=True)
class HistoryRow:
    """One row of the chart's table."""

    at: str
    queued: str
    arrivals: str
    completions: str
    oldest: str
    circuit: str


def history_rows(points: Sequence[Sample], words: Words) -> list[HistoryRow]:
    """The chart as a table: at most `MOST_ROWS` points, evenly chosen, the newest first."""
    step = max(1, -(-len(points) // MOST_ROWS))
    return [_history_row(point, words) for point in list(points)[::-1][::step]]


def _history_row(point: Sample, words: Words) -> HistoryRow:
    is_open = words.text("open") if point.open_share else words.text("closed")
    return HistoryRow(
        words.moment(point.at),
        words.number(point.queued),
        words.number(arrivals_a_minute(point)),
        words.number(completions_a_minute(point)),
        words.duration(point.oldest_due_age_seconds),
        is_open,
    )
