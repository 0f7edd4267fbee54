"""The rules about outcomes. What a new outcome needs besides its properties fails here."""

from __future__ import annotations

import re

import pytest

from breakwall.payments.decisions import FINAL_STATES
from breakwall.payments.gateways.base import LookupResult, Outcome
from tests.source_tree import ROOT

FINAL, NO_CHARGE, RESOLVED = "is_final", "proves_no_charge", "is_resolved"
UNPROCESSED, UNSENT = "is_unprocessed", "is_unsent"

PROPERTIES: dict[Outcome, set[str]] = {
    Outcome.SUCCEEDED: {FINAL, RESOLVED},
    Outcome.DECLINED: {FINAL, RESOLVED},
    Outcome.NOT_SENT: {NO_CHARGE, RESOLVED, UNPROCESSED, UNSENT},
    Outcome.THROTTLED: {NO_CHARGE, RESOLVED, UNPROCESSED},
    Outcome.FAILED: {NO_CHARGE, RESOLVED},
    Outcome.UNKNOWN: set(),
}


@pytest.mark.parametrize("outcome", Outcome)
class TestAnOutcome:
    def test_has_the_properties_that_its_row_names(self, outcome: Outcome) -> None:
        names = (FINAL, NO_CHARGE, RESOLVED, UNPROCESSED, UNSENT)
        assert {name for name in names if getattr(outcome, name)} == PROPERTIES[outcome]

    def test_leaves_the_order_in_a_state_if_it_is_final(self, outcome: Outcome) -> None:
        assert (outcome in FINAL_STATES) == outcome.is_final

    def test_can_be_proven_by_a_look_up_if_it_is_final(self, outcome: Outcome) -> None:
        assert outcome in {result.outcome for result in LookupResult} or not outcome.is_final

    def test_is_read_as_it_was_stored(self, outcome: Outcome) -> None:
        assert Outcome.stored(outcome.value) is outcome

    def test_has_its_row_in_the_table_of_outcomes(self, outcome: Outcome) -> None:
        page = (ROOT / "docs" / "states.md").read_text(encoding="utf-8")
        table = page.partition("## Outcomes of an attempt")[2].partition("\n## ")[0]
        assert re.search(rf"^\| `{outcome}`", table, re.MULTILINE)


def test_an_outcome_that_only_a_newer_release_knows_is_unknown() -> None:
    assert Outcome.stored("from_tomorrow") is Outcome.UNKNOWN


@pytest.mark.parametrize("result", LookupResult)
def test_only_a_look_up_that_finds_an_ended_charge_proves_an_outcome(result: LookupResult) -> None:
    assert result.outcome.is_final == (result.value in set(Outcome))
