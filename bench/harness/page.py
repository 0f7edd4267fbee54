"""Puts the table of a run into a page, between two marks."""

from __future__ import annotations

from pathlib import Path

from bench.harness.rows import Row, table

BEGIN, END = "<!-- make bench writes from here -->", "<!-- to here -->"


def put_into(page: Path, rows: list[Row], conditions: dict[str, object]) -> None:
    """Replace what is between the marks; `ValueError` if the page does not have them."""
    text = page.read_text(encoding="utf-8")
    before, found, rest = text.partition(BEGIN)
    _, ended, after = rest.partition(END)
    if not found or not ended:
        raise ValueError(f"{page.name} has no place for the table: it should have {BEGIN} and {END}")
    page.write_text(
        f"{before}{BEGIN}\n\n{_sentence(conditions)}\n\n{table(rows)}\n\n{END}{after}", encoding="utf-8"
    )


def _sentence(conditions: dict[str, object]) -> str:
    return (
        f"Python {conditions['python']}, {conditions['postgresql']}, {conditions['redis']}, "
        f"{conditions['cores']} cores with a load of {conditions['load']} before the run; sizes: {conditions['size']}."
    )
