"""Who acts, and why, are texts that a person may type."""

from __future__ import annotations

import pytest

from breakwall.payments.interventions import MAX_REASON, Author, InvalidAuthorError
from tests.texts import FAMILY, TYPED


def test_an_actor_and_a_reason_hold_what_a_person_may_type() -> None:
    assert Author(TYPED["NBSP"], FAMILY).reason == FAMILY


@pytest.mark.parametrize(
    ("actor", "reason", "field"),
    [
        ("a\u202eb", "x", "actor"),
        ("a" * 256, "x", "actor"),
        ("a", "x\x1b[2J", "reason"),
        ("a", "x" * (MAX_REASON + 1), "reason"),
    ],
)
def test_another_text_is_refused_and_its_field_is_named(actor: str, reason: str, field: str) -> None:
    with pytest.raises(InvalidAuthorError) as refused:
        Author(actor, reason)
    assert refused.value.field == field
