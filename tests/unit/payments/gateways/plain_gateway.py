"""A gateway of somebody else, whose answers the test chooses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from breakwall.payments.gateways import (
    ChargeAnswer,
    ChargeRequest,
    GatewayProfile,
    Health,
    LookupAnswer,
    LookupResult,
    Outcome,
)

PROFILE = GatewayProfile(deduplicates=True, key_life=3600, looks_up=True, absent_after=30)
PAID = ChargeAnswer(Outcome.SUCCEEDED, Health.SUCCESS, charge_id="ch_1")
FOUND = LookupAnswer(LookupResult.SUCCEEDED, Health.SUCCESS, charge_id="ch_1")

Answering = Callable[..., Any]


class PlainGateway:
    """``answering`` answers each call; it gets the method's name and its argument."""

    def __init__(self, answering: Answering | None = None, profile: Any = PROFILE) -> None:
        self.profile = profile
        self.calls: list[str] = []
        self.closed = 0
        self._answering = answering or (lambda method, argument: PAID if method == "charge" else FOUND)

    def charge(self, request: ChargeRequest, *, deadline: float) -> Any:
        return self._answer("charge", request)

    def look_up(self, idempotency_key: str, *, deadline: float) -> Any:
        return self._answer("look_up", idempotency_key)

    def close(self) -> None:
        self.closed += 1

    def _answer(self, method: str, argument: object) -> Any:
        self.calls.append(method)
        return self._answering(method, argument)


class PreparingAndCancelling(PlainGateway):
    def prepare(self, request: ChargeRequest, *, deadline: float) -> Any:
        return self._answer("prepare", request)

    def look_up_prepared(self, prepared: str, *, deadline: float) -> Any:
        return self._answer("look_up_prepared", prepared)

    def cancel(self, request: ChargeRequest, *, deadline: float) -> Any:
        return self._answer("cancel", request)


# For `module:factory`.


def make_plain(settings: object) -> PlainGateway:
    return PlainGateway()


def make_nothing(settings: object) -> None:
    return None


NOT_A_FACTORY = 17
