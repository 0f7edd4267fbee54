"""A mutant whose line is gone would test nothing."""

import pytest

from tests.mutants.__main__ import ROOT
from tests.mutants.catalogue import MUTANTS, Mutant


def row(mutant: Mutant) -> str:
    """Its row in docs/guarantees.md."""
    tests = ", ".join(f"`{test}`" for test in mutant.tests)
    return f"| {mutant.name} | `{mutant.path}` | {tests} | {'yes' if mutant.simulated else ''} |"


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_every_mutant_is_in_the_docs_with_the_tests_that_notice_it(mutant: Mutant) -> None:
    assert row(mutant) in (ROOT / "docs" / "guarantees.md").read_text("utf-8").splitlines()


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_every_line_that_is_removed_is_there_exactly_once(mutant: Mutant) -> None:
    assert (ROOT / mutant.path).read_text("utf-8").count(mutant.line) == 1
