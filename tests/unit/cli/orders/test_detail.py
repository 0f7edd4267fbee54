"""How an order's story is folded to one screen."""

from __future__ import annotations

import pytest

from breakwall.cli.orders.detail import fold


@pytest.mark.parametrize(
    ("wanted", "room", "kept"),
    [
        ([3, 2], 5, [3, 2]),
        ([30], 10, [9]),
        ([30, 5, 4], 6, [3, 1, 1]),
        ([30, 5, 4], 9, [4, 2, 2]),
        ([30, 1, 1], 20, [17, 1, 1]),
        ([2, 40], 20, [2, 17]),
        ([30, 5, 4], 0, [1, 1, 1]),
        ([], 5, []),
    ],
)
def test_the_room_is_shared_among_the_chapters(wanted: list[int], room: int, kept: list[int]) -> None:
    assert fold(wanted, room) == kept


@pytest.mark.parametrize("room", range(1, 60))
def test_what_is_shown_and_the_line_about_the_rest_take_no_more_than_the_room(room: int) -> None:
    wanted = [30, 7, 5]
    kept = fold(wanted, room)
    assert sum(kept) + (kept != wanted) <= max(room, 4)
    assert all(1 <= shown <= there for shown, there in zip(kept, wanted, strict=True))
