"""README.md and .env.example name every setting, and no other."""

from __future__ import annotations

import re
from io import StringIO
from pathlib import Path

import pytest
from dotenv import dotenv_values

from breakwall.settings import PREFIX, Settings, load_settings, setting_names

ROOT = Path(__file__).parents[3]


def table() -> list[str]:
    """The variables of README.md's table, in its order."""
    _, _, below = (ROOT / "README.md").read_text(encoding="utf-8").partition("\n| `BREAKWALL_…` |")
    rows = below.partition("\n\n")[0].splitlines()[2:]
    return [PREFIX + name for row in rows for name in re.findall("`([^`]+)`", row.split("|")[1])]


@pytest.fixture
def examples() -> dict[str, str]:
    """The settings in .env.example, without the comment sign before each."""
    text = (ROOT / ".env.example").read_text(encoding="utf-8")
    uncommented = re.sub(rf"^# (?={PREFIX})", "", text, flags=re.MULTILINE)
    return {name: value or "" for name, value in dotenv_values(stream=StringIO(uncommented)).items()}


def test_the_readme_has_a_row_for_every_setting() -> None:
    assert sorted(table()) == sorted(setting_names())


def test_the_example_has_a_line_for_every_setting(examples: dict[str, str]) -> None:
    assert sorted(examples) == sorted(setting_names())


def test_every_line_of_the_example_is_usable(examples: dict[str, str]) -> None:
    assert load_settings(examples)


def test_the_example_shows_the_default_unless_it_is_an_address(examples: dict[str, str]) -> None:
    chosen = {name: value for name, value in examples.items() if value and "://" not in value}
    del chosen["BREAKWALL_SITE"]  # A name has no default: the first `db upgrade` makes one.
    assert load_settings(chosen) == Settings()
