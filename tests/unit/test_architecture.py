"""docs/architecture.md is true: its picture is the imports, and each name in it exists."""

import importlib
import re
from functools import cache
from itertools import pairwise, product

import pytest

from breakwall.payments.ledger.ledger import Ledger
from tests.source_tree import ROOT, imports, product_modules

PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
PRODUCT = product_modules()
ENTRY = {"__main__", "entry"}

Arrow = tuple[str, str]


def room_of(module: str) -> str:
    """The folder, or the module, that is next to `breakwall`; "" for the package itself."""
    return module.partition(".")[2].partition(".")[0]


def read_picture() -> tuple[dict[str, list[str]], set[Arrow]]:
    """The rooms of each frame, and the arrows as they are drawn."""
    picture = re.search(r"```mermaid\nflowchart TD\n(.*?)```", PAGE, re.DOTALL)
    assert picture is not None
    frames: dict[str, list[str]] = {}
    arrows: set[Arrow] = set()
    frame: list[str] = []
    for line in map(str.strip, picture[1].splitlines()):
        if line.startswith("subgraph "):
            frame = frames[line.split()[1]] = []
        elif line == "end":
            frame = []
        else:
            names = [part.split(" & ") for part in line.split(" --> ")]
            frame += [name for part in names for name in part if name not in frame]
            arrows |= {arrow for left, right in pairwise(names) for arrow in product(left, right)}
    return frames, arrows


FRAMES, ARROWS = read_picture()
LINKS = sorted(set(re.findall(r"\[`([\w./]+)`\]\(\.\./([\w/]+\.py)\)", PAGE)))
USED_BY_ALL = set(
    re.findall(r"`(\w+)`", PAGE.partition("Every room may use these")[2].partition(" A command")[0])
)
ROOMS = {name for arrow in ARROWS for name in arrow if name not in FRAMES} | {
    room for rooms in FRAMES.values() for room in rooms
}


def rooms_in(name: str) -> list[str]:
    return FRAMES.get(name, [name])


@cache
def real_arrows() -> dict[Arrow, str]:
    """Each arrow between two rooms, and an import that makes it."""
    found = {}
    for module in PRODUCT.values():
        for imported in imports(module, PRODUCT):
            arrow = room_of(module.name), room_of(imported)
            if arrow[0] != arrow[1] and all(arrow):
                found[arrow] = f"{module.file} imports {imported}"
    return found


def test_each_room_is_in_the_picture_or_used_by_all() -> None:
    rooms = {room_of(name) for name in PRODUCT} - {""} - ENTRY
    assert sorted(rooms - ROOMS - USED_BY_ALL) == [], "not on the page"
    assert sorted((ROOMS | USED_BY_ALL) - rooms) == [], "on the page, but no room"
    assert sorted(ROOMS & USED_BY_ALL) == []


def test_each_import_between_rooms_is_an_arrow() -> None:
    drawn = {pair for left, right in ARROWS for pair in product(rooms_in(left), rooms_in(right))}
    missing = {
        arrow: example
        for arrow, example in real_arrows().items()
        if arrow[0] in ROOMS and arrow[1] in ROOMS and arrow not in drawn
    }
    assert missing == {}


def test_each_arrow_is_an_import() -> None:
    """That of a frame is one if some room in the frame imports; each room that it points to is imported."""
    idle = [
        f"{left} --> {room}"
        for left, right in sorted(ARROWS)
        for room in rooms_in(right)
        if not any((user, room) in real_arrows() for user in rooms_in(left))
    ]
    assert idle == []


def test_what_all_use_uses_no_room() -> None:
    upward = {
        arrow: example
        for arrow, example in real_arrows().items()
        if arrow[0] in USED_BY_ALL and arrow[1] in ROOMS
    }
    assert upward == {}


@pytest.mark.parametrize(("text", "file"), LINKS)
def test_each_link_leads_to_what_it_names(text: str, file: str) -> None:
    """`[`Ledger.claim`](../…/ledger.py)` names something in that file, `[`cli/app.py`](…)` the file itself."""
    module = next((module for module in PRODUCT.values() if str(module.file) == file), None)
    assert module is not None, f"there is no {file}"
    if text.endswith(".py"):
        return
    found = importlib.import_module(module.name)
    owner, _, method = text.rpartition(".")
    if owner == "Ledger":  # Its methods are written in its base classes, a file for each.
        assert f"def {method}(" in (ROOT / file).read_text(encoding="utf-8"), f"{file} has no {text}"
        assert hasattr(Ledger, method)
        return
    for part in text.split("."):
        assert hasattr(found, part), f"{file} has no {text}"
        found = getattr(found, part)
