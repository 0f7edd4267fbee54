"""A variable's text is checked."""

from __future__ import annotations

import pytest

from tests.unit.settings.problems import problems


@pytest.mark.parametrize(
    ("path", "told"), [("~nobody-of-that-name/x", "no home folder for it"), ("x" * 300, "cannot be a folder")]
)
def test_a_path_that_cannot_be_a_folder_is_refused(path: str, told: str) -> None:
    """As in a container, whose user has no name and no home."""
    assert told in problems(DATA_DIR=path)[0]
