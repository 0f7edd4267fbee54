"""The faults that the simulator injects, and the check of a change to them."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from functools import partial
from typing import Any

from breakwall.pickling import Picklable


class FaultError(Picklable, ValueError):
    """An invalid change of faults; ``field`` is the wrong field, or empty if the whole is wrong."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}" if field else message)
        self.field = field


@dataclass(frozen=True, slots=True)
class Throttle:
    """Answer 429 above ``rate_per_second`` (None: always), with a ``Retry-After`` of ``retry_after`` seconds."""

    rate_per_second: float | None = None
    retry_after: float | None = None


@dataclass(frozen=True, slots=True)
class Faults:
    """How the payment service misbehaves. Rates are shares of the requests, 0 to 1; times are seconds.

    Attributes:
        latency: the time of a charge or a look-up, or its minimum and maximum.
        error_rate: share answered with ``error_status``; nothing is charged and nothing remembered.
        error_status: 500 to 599.
        error_retry_after: the ``Retry-After`` of these errors.
        down: new connections are refused and existing ones cut.
        charge_then_fail: share charged durably, then answered badly.
        charge_then_fail_how: ``"reset"`` the connection, answer an ``"error"`` or ``"hang"``.
        decline_rate: share declined.
        throttle: ``{"rate_per_second", "retry_after"}``, at least one of them; nothing is charged.
        hang: share read, then never answered; nothing is charged.
        garbage: share charged or declined as usual, then answered with bytes that are not HTTP.
        drip: share charged or declined as usual, then answered byte by byte, every ``drip_interval``.
    """

    latency: float | tuple[float, float] = 0.0
    error_rate: float = 0.0
    error_status: int = 500
    error_retry_after: float | None = None
    down: bool = False
    charge_then_fail: float = 0.0
    charge_then_fail_how: str = "reset"
    decline_rate: float = 0.0
    throttle: Throttle | None = None
    hang: float = 0.0
    garbage: float = 0.0
    drip: float = 0.0
    drip_interval: float = 0.5

    def changed(self, changes: object) -> Faults:
        """These faults, changed by a JSON object's fields.

        Raises:
            FaultError: a field is unknown or its value invalid; the text says what would be right.
        """
        if not isinstance(changes, Mapping):
            raise FaultError("", "expected a JSON object of faults")
        for name in changes:
            if name not in _CHECKS:
                raise FaultError(str(name), _no_such_field(str(name)))
        checked: dict[str, Any] = {name: _CHECKS[name](name, value) for name, value in changes.items()}
        return replace(self, **checked)

    def as_json(self) -> dict[str, Any]:
        """The faults as `changed` takes them."""
        return asdict(self)


def _no_such_field(name: str) -> str:
    near = difflib.get_close_matches(name, _CHECKS, n=1)
    hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(_CHECKS)}"
    return f"no such fault; {hint}"


def _number(field: str, value: object, low: float, high: float) -> float:
    # NaN and infinity are outside any range; true is not a number here.
    if isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high:
        return float(value)
    raise FaultError(field, f"should be a number from {low:g} to {high:g}")


_rate = partial(_number, low=0, high=1)
_seconds = partial(_number, low=0, high=3600)


def _seconds_or_none(field: str, value: object) -> float | None:
    return None if value is None else _seconds(field, value)


def _latency(field: str, value: object) -> float | tuple[float, float]:
    if not isinstance(value, list | tuple):
        return _seconds(field, value)
    if len(value) != 2:
        raise FaultError(field, "should be seconds, or [shortest, longest]")
    shortest, longest = (_seconds(field, one) for one in value)
    if shortest > longest:
        raise FaultError(field, "should be [shortest, longest], the shortest first")
    return shortest, longest


def _status(field: str, value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 500 <= value <= 599:
        raise FaultError(field, "should be a whole number from 500 to 599")
    return value


def _switch(field: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise FaultError(field, "should be true or false")
    return value


def _how(field: str, value: object) -> str:
    if value not in ("reset", "error", "hang"):
        raise FaultError(field, 'should be "reset", "error" or "hang"')
    return str(value)


def _throttle(field: str, value: object) -> Throttle | None:
    if value is None:
        return None
    known = {one.name for one in fields(Throttle)}
    if not isinstance(value, Mapping) or not value or not set(value) <= known:
        raise FaultError(field, 'should be null or {"rate_per_second": number, "retry_after": seconds}')
    rate, wait = value.get("rate_per_second"), value.get("retry_after")
    return Throttle(
        rate_per_second=None if rate is None else _number(f"{field}.rate_per_second", rate, 0, 1e6),
        retry_after=_seconds_or_none(f"{field}.retry_after", wait),
    )


_CHECKS: Mapping[str, Callable[[str, object], Any]] = {
    "latency": _latency,
    "error_rate": _rate,
    "error_status": _status,
    "error_retry_after": _seconds_or_none,
    "down": _switch,
    "charge_then_fail": _rate,
    "charge_then_fail_how": _how,
    "decline_rate": _rate,
    "throttle": _throttle,
    "hang": _rate,
    "garbage": _rate,
    "drip": _rate,
    "drip_interval": _seconds,
}
