"""Which keys a service keeps apart, and finds again."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from urllib.parse import unquote

import pytest

from breakwall.payments.orders import Order
from breakwall.rehearsal.key_shapes import SHAPES, ask_for_key_shapes, ask_whether_keys_are_apart
from breakwall.rehearsal.measurements import Verdict
from breakwall.rehearsal.promises import Promises
from tests.unit.rehearsal.doubles import PROFILE, ServiceDouble, asked, sandbox_of


def broken(service: ServiceDouble) -> dict[str, str]:
    found = asked(ask_for_key_shapes, service, caller_keys=True)
    return {one.question.removeprefix("keys with "): one.seen for one in found if one.verdict.fails}


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_an_order_may_have_each_of_the_keys(shape: Callable[[str], tuple[str, str]]) -> None:
    first, second = shape("rehearsal-0123abcd-17")
    assert first != second
    assert [Order("u1", 1, "USD", key).idempotency_key for key in (first, second)] == [first, second]


def test_a_service_that_compares_whole_keys_holds() -> None:
    assert broken(ServiceDouble()) == {}


@pytest.mark.parametrize(
    ("keep", "names"),
    [
        (str.lower, {"capitals"}),
        (unquote, {"a slash", "a percent sign", "a space"}),
        (lambda key: key.replace("+", " "), {"a plus sign"}),
        (lambda key: key[:191], {"255 characters"}),
        (lambda key: unicodedata.normalize("NFC", key), {"letters beyond ASCII"}),
    ],
)
def test_a_service_that_keeps_less_of_a_key_takes_two_for_one(
    keep: Callable[[str], str], names: set[str]
) -> None:
    assert set(broken(ServiceDouble(keep=keep))) == names


def test_a_look_up_that_does_not_find_some_keys_is_named() -> None:
    service = ServiceDouble(find=lambda key: key.partition(".")[0])
    assert broken(service) == {"a dot": "charged, and not found again"}


def test_a_look_up_that_finds_another_keys_charge_is_named() -> None:
    service = ServiceDouble(find=lambda key: f"{key[:-1]}a" if key[-2:] == "-A" else key)
    assert broken(service) == {"capitals": "charged, and another charge is found"}


def test_keys_that_no_order_sends_change_no_verdict() -> None:
    found = asked(ask_for_key_shapes, ServiceDouble(keep=str.lower))
    assert {one.verdict for one in found} == {Verdict.NOTED}


def test_one_key_shows_nothing_of_several() -> None:
    sandbox = sandbox_of(ServiceDouble())
    sandbox.charge(sandbox.requests.new())
    (found,) = ask_whether_keys_are_apart(sandbox, Promises(PROFILE))
    assert found.verdict is Verdict.NOT_ASKED


@pytest.mark.parametrize(
    ("caller_keys", "keep", "verdict"),
    [
        (False, lambda key: key[:10], Verdict.HOLDS),
        (False, lambda key: key[:1], Verdict.BROKEN),
        (True, lambda key: key[:10], Verdict.BROKEN),
        (True, str, Verdict.HOLDS),
    ],
)
def test_one_charge_for_the_keys_of_two_orders_is_broken(
    caller_keys: bool, keep: Callable[[str], str], verdict: Verdict
) -> None:
    sandbox = sandbox_of(ServiceDouble(keep=keep), caller_keys=caller_keys)
    for _ in range(40):
        sandbox.charge(sandbox.requests.new())
    (found,) = ask_whether_keys_are_apart(sandbox, Promises(PROFILE, caller_keys))
    assert found.verdict is verdict
