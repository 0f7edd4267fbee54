"""What an object lacks that should be a gateway."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from breakwall.payments.gateways.protocol_problems import UnusableGatewayError, check_protocol
from tests.unit.payments.gateways.plain_gateway import PROFILE, PlainGateway, PreparingAndCancelling


def problem(gateway: object) -> str:
    with pytest.raises(UnusableGatewayError) as refused:
        check_protocol(gateway)
    return str(refused.value)


def test_each_missing_method_is_named() -> None:
    assert problem(None) == "made no Gateway: its NoneType has no charge and no look_up and no close"
    half = PlainGateway()
    half.close = None  # type: ignore[assignment,method-assign]
    assert problem(half) == "made no Gateway: its PlainGateway has no close"


def test_a_missing_profile_is_named() -> None:
    assert problem(PlainGateway(profile=None)) == (
        "made no Gateway: the profile of its PlainGateway is no GatewayProfile"
    )


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("deduplicates", None), ("looks_up", "yes"), ("prepares", 1), ("key_life", -1), ("key_life", None)),
        *(("absent_after", float("nan")), ("absent_after", float("inf")), ("absent_after", True)),
    ],
)
def test_a_promise_of_the_wrong_type_is_named(field: str, value: Any) -> None:
    assert field in problem(PlainGateway(profile=replace(PROFILE, **{field: value})))


@pytest.mark.parametrize(
    ("promise", "method"), [("prepares", "prepare and no look_up_prepared"), ("cancels", "cancel")]
)
def test_a_promise_without_its_methods_is_named(promise: str, method: str) -> None:
    gateway = PlainGateway(profile=replace(PROFILE, **{promise: True}))
    assert f"{promise}, and that has no {method}" in problem(gateway)


def test_a_gateway_that_can_do_what_it_says_has_no_problem() -> None:
    check_protocol(PlainGateway())
    check_protocol(PreparingAndCancelling(profile=replace(PROFILE, prepares=True, cancels=True)))
