"""`docs/guarantees.md` names tests that exist, and lists the mutants as they are."""

from __future__ import annotations

import re

from tests.mutants.catalogue import MUTANTS
from tests.source_tree import ROOT

PAGE = (ROOT / "docs" / "guarantees.md").read_text(encoding="utf-8")


def test_every_file_that_it_names_exists() -> None:
    named = re.findall(r"`((?:breakwall|tests|worker|producers)/[^`]*)`", PAGE)
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_its_last_table_has_a_row_for_each_mutant() -> None:
    rows = [
        f"| {mutant.name} | `{mutant.path}` | {', '.join(f'`{file}`' for file in mutant.tests)} | "
        f"{'yes' if mutant.simulated else '–'} |"
        for mutant in MUTANTS
    ]
    assert PAGE.splitlines()[-len(rows) :] == rows
