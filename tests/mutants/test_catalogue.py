"""A mutant whose line is gone would test nothing; the docs list the mutants as they are."""

import pytest

from tests.mutants.__main__ import ROOT
from tests.mutants.catalogue import MUTANTS, Mutant


def row(mutant: Mutant) -> str:
    """Its row in docs/guarantees.md."""
    tests = ", ".join(f"`{test}`" for test in mutant.tests)
    return f"| {mutant.name} | `{mutant.path}` | {tests} | {'yes' if mutant.simulated else '–'} |"


def test_the_last_table_of_the_guarantees_has_a_row_for_each_mutant() -> None:
    lines = (ROOT / "docs" / "guarantees.md").read_text("utf-8").splitlines()
    assert lines[-len(MUTANTS) :] == [row(mutant) for mutant in MUTANTS]


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_every_line_that_is_removed_is_there_exactly_once(mutant: Mutant) -> None:
    assert (ROOT / mutant.path).read_text("utf-8").count(mutant.line) == 1
