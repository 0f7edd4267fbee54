"""Writes one order on one screen: its fields, and the newest attempts, interventions, incidents and outcomes.

The last line counts the rows that do not fit. `--all` writes all rows, and cuts no text short.
"""

from collections.abc import Mapping, Sequence
from itertools import chain, cycle

from rich.table import Table
from rich.text import Text

from breakwall.cli.orders.history_tables import (
    TableSection,
    attempts_of,
    incidents_of,
    interventions_of,
    outcomes_of,
)
from breakwall.cli.orders.order_fields import order_fields
from breakwall.payments.incidents import StoredIncident
from breakwall.payments.interventions import StoredIntervention
from breakwall.payments.orders import StoredAttempt, StoredOrder
from breakwall.payments.outcomes.operator import StoredDelivery
from breakwall.terminal.output import data, field_lines, say, screen
from breakwall.terminal.words import count

PROMPT = 1  # Lines of the shell's prompt below the order.
HEADS = 1  # Lines of each section's heads.
GAP = 1  # Empty lines before the first section, and before each other one if there is room.
FIRST = 3  # Rows of the first section, the attempts, before another section gets a second row.
LONG_FIELD = 2  # Lines of the only field with more than one: the last error, which says what to do.


def write_order(
    order: StoredOrder,
    attempts: Sequence[StoredAttempt],
    interventions: Sequence[StoredIntervention],
    incidents: Sequence[StoredIncident],
    deliveries: Sequence[StoredDelivery],
    *,
    everything: bool,
) -> None:
    """Write an order to stdout, on one screen, or ``everything``. The sequences are sorted first to last."""
    columns, lines = screen()
    page = _Page(None if everything else columns)
    sections = [
        attempts_of(order, attempts, narrow=page.narrow),
        interventions_of(interventions, narrow=page.narrow),
        incidents_of(incidents, narrow=page.narrow),
        outcomes_of(deliveries, narrow=page.narrow),
    ]
    used = page.write_fields(order_fields(order))
    filled = [section for section in sections if section.rows]
    kept = [len(section.rows) for section in filled]
    room = lines - PROMPT - used - GAP - HEADS * len(filled)
    spaced = everything or sum(kept) + GAP * (len(filled) - 1) <= room
    if not spaced:
        kept = rows_that_fit(kept, room)
    if not attempts:
        say("\nThere was no attempt yet.")
    for section, number in zip(filled, kept, strict=True):
        page.write_section(section, number, spaced=spaced or section is filled[0])
    page.write_rest(filled, kept)


def rows_that_fit(wanted: Sequence[int], room: int) -> list[int]:
    """How many rows of each section fit into ``room`` lines. If some do not fit, one line is for their count.

    Each section gets one row, then the first section gets up to `FIRST`; then all sections get rows in turn.
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
    """Writes the parts of an order, ``columns`` wide, or with lines of any length (None)."""

    def __init__(self, columns: int | None) -> None:
        self._columns = columns
        self._console = data()
        self.narrow = columns is not None and columns < 120

    def write_fields(self, fields: Mapping[str, str]) -> int:
        """Return how many lines they took."""
        if self._columns is None:
            say(*field_lines(fields))
            return len(fields)
        indent = max(map(len, fields)) + 2
        used = 0
        for name, value in fields.items():
            parts = self._cut(value, self._columns - indent, LONG_FIELD if name == "last error" else 1)
            for number, part in enumerate(parts):
                self._console.print(Text(f"{name if number == 0 else '':<{indent}}").append(part))
            used += len(parts)
        return used

    def write_section(self, section: TableSection, number: int, *, spaced: bool) -> None:
        table = Table(box=None, pad_edge=False, header_style="bold")
        for head in section.columns:
            # Rich shortens the columns that may wrap, so the others keep their width.
            fixed = head not in section.cuttable
            table.add_column(
                self._cell(head), justify="right" if head in section.right else "left", no_wrap=fixed
            )
        for row in section.rows[-number:]:
            table.add_row(*(self._cell(text) for text in row))
        if spaced:
            self._console.print()
        self._console.print(table, width=self._columns, highlight=False)

    def write_rest(self, sections: Sequence[TableSection], kept: Sequence[int]) -> None:
        missing = [
            count(len(section.rows) - number, section.noun)
            for section, number in zip(sections, kept, strict=True)
            if number < len(section.rows)
        ]
        if missing:
            self._console.print(f"… {', '.join(missing)} before: --all", highlight=False, style="dim")

    def _cell(self, markup: str) -> Text:
        text = Text.from_markup(markup)
        if self._columns is not None:
            text.no_wrap, text.overflow = True, "ellipsis"
        else:
            text.overflow = "fold"
        return text

    def _cut(self, markup: str, width: int, lines: int) -> list[Text]:
        """The text in at most ``lines`` lines; the last one ends with an ellipsis if text is missing."""
        width = max(width, 8)
        parts = list(Text.from_markup(markup).wrap(self._console, width))
        for part in parts:
            part.rstrip()
        if len(parts) > lines:
            rest = Text(" ").join(parts[lines - 1 :])
            rest.truncate(width, overflow="ellipsis")
            parts = [*parts[: lines - 1], rest]
        return parts or [Text("")]
