"""Options that several commands share."""

from __future__ import annotations

import pytest
import typer

from breakwall.terminal.options import refuse_where, wants_json


def test_the_first_case_that_holds_is_refused_with_its_option() -> None:
    refuse_where((False, "--a", "is fine"), (None, "--b", "is fine, too"))
    with pytest.raises(typer.BadParameter, match="is wrong") as refused:
        refuse_where((False, "--a", "is fine"), (["x"], "--b", "is wrong"), (True, "--c", "is wrong, too"))
    assert refused.value.param_hint == "--b"


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("backlog -o json", True),
        ("backlog -ojson", True),
        ("backlog --output json", True),
        ("backlog --output=json", True),
        ("backlog -o text", False),
        ("backlog -o", False),
        ("", False),
    ],
)
def test_json_is_wanted_where_the_line_asks_for_it(line: str, wanted: bool) -> None:
    assert wants_json(line.split()) is wanted
