"""What is believed of an answer of a gateway that is not ours."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from breakwall.payments.gateways import (
    ChargeAnswer,
    ChargeRequest,
    Health,
    LookupAnswer,
    LookupResult,
    Outcome,
    Prepared,
)
from breakwall.payments.gateways.trusted_answers import (
    HIDDEN,
    MAX_CODE,
    MAX_DETAIL,
    charge_answer,
    lookup_answer,
    prepared_answer,
    without_secrets,
)

PAID = ChargeAnswer(Outcome.SUCCEEDED, Health.SUCCESS, charge_id="ch_1", code="ok", retry_after=3)
FOUND = LookupAnswer(LookupResult.SUCCEEDED, Health.SUCCESS, charge_id="ch_1")
REQUEST = ChargeRequest(
    *("o-1", "u-1", 10_000, "KRW", "key-1"),
    payment_method="pm_secret",
    description="A gift for Kim",
    metadata={"room": "room 17"},
)

WRONG: dict[str, list[Any]] = {
    "health": ["success", None],
    "advice": ["retry", None],
    "charge_id": [17, "", "x" * 256, b"ch_1", "ch\n1"],
    "code": [402, b"declined"],
    "detail": [None, 17],
    "retry_after": ["5", float("nan"), float("inf"), -1, True],
    "details": [None, {}],
}
EACH = [(field, value) for field, values in WRONG.items() for value in values]


@pytest.mark.parametrize("answer", [None, "paid", {}, True, FOUND])
def test_what_is_no_charge_answer_is_not_trusted(answer: Any) -> None:
    assert charge_answer(answer) is None


@pytest.mark.parametrize("field", ["spends_key", "replayed"])
def test_a_charge_answer_whose_flag_is_no_boolean_is_not_trusted(field: str) -> None:
    assert charge_answer(replace(PAID, **{field: 1})) is None


@pytest.mark.parametrize("answer", [None, "paid", {}, True, PAID])
def test_what_is_no_look_up_answer_is_not_trusted(answer: Any) -> None:
    assert lookup_answer(answer) is None


@pytest.mark.parametrize(("field", "value"), EACH)
def test_an_answer_with_a_field_of_the_wrong_type_is_not_trusted(field: str, value: Any) -> None:
    assert charge_answer(replace(PAID, **{field: value})) is None
    assert lookup_answer(replace(FOUND, **{field: value})) is None


@pytest.mark.parametrize("outcome", ["succeeded", None, True])
def test_an_outcome_that_is_only_a_text_is_not_trusted(outcome: Any) -> None:
    assert charge_answer(replace(PAID, outcome=outcome)) is None
    assert lookup_answer(replace(FOUND, result=outcome)) is None


def test_a_payment_without_the_id_of_its_charge_is_not_trusted() -> None:
    assert charge_answer(replace(PAID, charge_id=None)) is None
    assert lookup_answer(replace(FOUND, charge_id=None)) is None


def test_a_good_answer_stays_the_same_object() -> None:
    assert charge_answer(PAID) is PAID is without_secrets(PAID, REQUEST)
    assert lookup_answer(FOUND) is FOUND is without_secrets(FOUND, None)


def test_only_a_readable_id_is_a_prepared_charge() -> None:
    prepared = Prepared("pi_1")
    assert prepared_answer(prepared) is prepared
    for wrong in ("", None, 17, "x" * 256):
        assert prepared_answer(Prepared(wrong)) is None  # type: ignore[arg-type]


def test_a_preparation_that_says_it_has_charged_is_not_trusted() -> None:
    assert prepared_answer(PAID) is None
    declined = ChargeAnswer(Outcome.DECLINED, Health.SUCCESS)
    assert prepared_answer(declined) is declined


def test_no_text_repeats_what_only_the_service_may_know() -> None:
    told = replace(PAID, code="bad pm_secret", detail="room 17: A gift for Kim was charged to pm_secret")
    seen = without_secrets(told, REQUEST)
    assert seen.code == f"bad {HIDDEN}"
    assert seen.detail == f"{HIDDEN}: {HIDDEN} was charged to {HIDDEN}"


@pytest.mark.parametrize(
    ("code", "seen"),
    [
        ("expired_card", "expired_card"),  # only a word of it is in the metadata, too
        ("card", HIDDEN),
        ("no card", f"no {HIDDEN}"),
        ("bad_pm_secret", f"bad_{HIDDEN}"),
        ("tok_17ab.declined", f"{HIDDEN}.declined"),
    ],
)
def test_a_plain_code_keeps_words_that_the_metadata_have_too(code: str, seen: str) -> None:
    request = replace(REQUEST, metadata={"channel": "card", "session": "tok_17ab"})
    assert without_secrets(replace(PAID, code=code), request).code == seen


def test_texts_are_short() -> None:
    seen = without_secrets(replace(PAID, code="c" * 1000, detail="d" * 1000), None)
    assert (len(seen.code or ""), len(seen.detail)) == (MAX_CODE, MAX_DETAIL)


def test_a_contradiction_is_ours_to_find() -> None:
    assert without_secrets(replace(PAID, contradiction="the amount"), REQUEST).contradiction is None
