"""An order's story on one screen: its fields, and the newest of what was tried, done and found.

What does not fit is counted in the last line. With `--all` everything is written, and no text is cut short.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain, cycle

from rich.console import Console
from rich.table import Table
from rich.text import Text

from breakwall.cli.orders.detail_sections import Chapter, attempts_of, incidents_of, interventions_of
from breakwall.payments.actions import StoredIncident, StoredIntervention
from breakwall.payments.orders import StoredAttempt, StoredOrder
from breakwall.terminal.output import data, screen, write_fields
from breakwall.terminal.words import count

PROMPT = 1
"""Lines that the shell writes below."""

HEADS = 1
"""Lines that each chapter needs beside its rows."""

GAP = 1
"""Empty lines before the first chapter, and before each where there is room."""

FIRST = 3
"""Rows that the first chapter, the attempts, has before the others have more than one."""

LONG_FIELD = 2
"""Lines of the one field that may take several: the last error, which says what to do."""


def write_story(
    fields: Mapping[str, str],
    order: StoredOrder,
    attempts: Sequence[StoredAttempt],
    interventions: Sequence[StoredIntervention],
    incidents: Sequence[StoredIncident],
    *,
    everything: bool,
) -> None:
    """Write the story to stdout.

    Args:
        fields: the order's own, as Rich markup.
        attempts, interventions, incidents: each first to last.
        everything: however many lines it takes.
    """
    columns, lines = screen()
    page = _Page(None if everything else columns)
    chapters = [
        attempts_of(attempts, order.charge_key, narrow=page.narrow),
        interventions_of(interventions, narrow=page.narrow),
        incidents_of(incidents, narrow=page.narrow),
    ]
    used = page.write_fields(fields)
    filled = [chapter for chapter in chapters if chapter.rows]
    kept = [len(chapter.rows) for chapter in filled]
    room = lines - PROMPT - used - GAP - HEADS * len(filled)
    airy = everything or sum(kept) + GAP * (len(filled) - 1) <= room
    if not airy:
        kept = fold(kept, room)
    if not attempts:
        page.write("Nothing was tried yet.")
    for chapter, number in zip(filled, kept, strict=True):
        page.write_chapter(chapter, number, airy=airy or chapter is filled[0])
    page.write_rest(filled, kept)


def fold(wanted: Sequence[int], room: int) -> list[int]:
    """How many rows of each chapter are shown in ``room`` lines, one of which tells of the rest if there is any.

    Each shows one at least, the first one `FIRST` if it can; then they take turns.
    """
    if sum(wanted) <= room:
        return list(wanted)
    kept = [min(1, number) for number in wanted]
    for turn in chain([0] * (FIRST - 1), cycle(range(len(wanted)))):
        if sum(kept) >= min(room - 1, sum(wanted)):
            return kept
        if kept[turn] < wanted[turn]:
            kept[turn] += 1
    return kept


class _Page:
    """Where the story is written: ``columns`` wide, or with lines of any length (None)."""

    def __init__(self, columns: int | None) -> None:
        self._columns = columns
        self._console = data()
        self.narrow = columns is not None and columns < 120

    def write(self, line: str) -> None:
        self._console.print(f"\n{line}", highlight=False)

    def write_fields(self, fields: Mapping[str, str]) -> int:
        """Returns how many lines they took."""
        if self._columns is None:
            write_fields(fields, console=self._console)
            return len(fields)
        width = max(map(len, fields)) + 2
        cut = {
            name: _cut(self._console, value, self._columns - width, LONG_FIELD if name == "last error" else 1)
            for name, value in fields.items()
        }
        for name, parts in cut.items():
            for number, part in enumerate(parts):
                self._console.print(Text(f"{name if number == 0 else '':<{width}}").append(part))
        return sum(map(len, cut.values()))

    def write_chapter(self, chapter: Chapter, number: int, *, airy: bool) -> None:
        table = Table(box=None, pad_edge=False, header_style="bold")
        for head in chapter.heads:
            # What may be cut gives way to what may not: Rich takes the room from columns that could wrap.
            fixed = head not in chapter.cuttable
            table.add_column(
                self._cell(head), justify="right" if head in chapter.right else "left", no_wrap=fixed
            )
        for row in chapter.rows[-number:]:
            table.add_row(*(self._cell(text) for text in row))
        if airy:
            self._console.print()
        self._console.print(table, width=self._columns, highlight=False)

    def write_rest(self, chapters: Sequence[Chapter], kept: Sequence[int]) -> None:
        missing = [
            count(len(chapter.rows) - number, chapter.noun)
            for chapter, number in zip(chapters, kept, strict=True)
            if number < len(chapter.rows)
        ]
        if missing:
            told = f"… {', '.join(missing)} before: --all"
            self._console.print(told, highlight=False, style="dim")

    def _cell(self, markup: str) -> Text:
        text = Text.from_markup(markup)
        if self._columns is not None:
            text.no_wrap, text.overflow = True, "ellipsis"
        else:
            text.overflow = "fold"
        return text


def _cut(console: Console, markup: str, width: int, lines: int) -> list[Text]:
    """The text in so many lines at most, the last one ending in an ellipsis where it is not all."""
    width = max(width, 8)
    parts = list(Text.from_markup(markup).wrap(console, width))
    for part in parts:
        part.rstrip()
    if len(parts) > lines:
        rest = Text(" ").join(parts[lines - 1 :])
        rest.truncate(width, overflow="ellipsis")
        parts = [*parts[: lines - 1], rest]
    return parts or [Text("")]
