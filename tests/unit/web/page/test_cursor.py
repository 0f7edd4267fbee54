"""A place in the list of orders, as a text that anybody may have written."""

from __future__ import annotations

import pytest

from breakwall.web.page.cursor import Cursor
from tests.page_snapshots import NOW


def test_a_place_survives_its_text() -> None:
    place = Cursor(NOW, "a1b2")
    assert Cursor.read(str(place)) == place


@pytest.mark.parametrize(
    "text",
    [None, "", "x", "2026-11-28T10:20:00~a", "2026-99-28T10:20:00+00:00~a", f"{NOW.isoformat()}~'; --"],
)
def test_any_other_text_is_no_place(text: str | None) -> None:
    assert Cursor.read(text) is None
