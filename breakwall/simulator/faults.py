"""The faults that the simulator injects, the check of a change to them, and the random choice of a request's faults."""

import difflib
import random
import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from functools import partial
from typing import Annotated, Any, Self, get_type_hints

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


def _number(name: str, value: object, low: float, high: float) -> float:
    # NaN and infinity are outside any range; true is not a number here.
    if isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high:
        return float(value)
    raise FaultError(name, f"should be a number from {low:g} to {high:g}")


_rate = partial(_number, low=0, high=1)
_seconds = partial(_number, low=0, high=3600)


def _seconds_or_none(name: str, value: object) -> float | None:
    return None if value is None else _seconds(name, value)


def _latency(name: str, value: object) -> float | tuple[float, float]:
    if not isinstance(value, list | tuple):
        return _seconds(name, value)
    if len(value) != 2:
        raise FaultError(name, "should be seconds, or [shortest, longest]")
    shortest, longest = (_seconds(name, one) for one in value)
    if shortest > longest:
        raise FaultError(name, "should be [shortest, longest], the shortest first")
    return shortest, longest


def _status(name: str, value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 500 <= value <= 599:
        raise FaultError(name, "should be a whole number from 500 to 599")
    return value


def _switch(name: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise FaultError(name, "should be true or false")
    return value


def _how(name: str, value: object) -> str:
    if value not in ("reset", "error", "hang"):
        raise FaultError(name, 'should be "reset", "error" or "hang"')
    return str(value)


def _throttle(name: str, value: object) -> Throttle | None:
    if value is None:
        return None
    known = {one.name for one in fields(Throttle)}
    if not isinstance(value, Mapping) or not value or not set(value) <= known:
        raise FaultError(name, 'should be null or {"rate_per_second": number, "retry_after": seconds}')
    rate, wait = value.get("rate_per_second"), value.get("retry_after")
    return Throttle(
        rate_per_second=None if rate is None else _number(f"{name}.rate_per_second", rate, 0, 1e6),
        retry_after=_seconds_or_none(f"{name}.retry_after", wait),
    )


_Rate = Annotated[float, _rate]


@dataclass(frozen=True, slots=True)
class Faults:
    """How the payment service misbehaves. Rates are shares of the requests, 0 to 1; times are seconds.

    Each field is annotated with the check of its value.
    """

    # Of a charge or a look-up; or the shortest and the longest.
    latency: Annotated[float | tuple[float, float], _latency] = 0.0
    error_rate: _Rate = 0.0  # answered with `error_status`; nothing is charged, nothing remembered
    error_status: Annotated[int, _status] = 500
    error_retry_after: Annotated[float | None, _seconds_or_none] = None  # the `Retry-After` of these errors
    down: Annotated[bool, _switch] = False  # new connections are refused and existing ones cut
    charge_then_fail: _Rate = 0.0  # charged durably, then answered badly
    charge_then_fail_how: Annotated[str, _how] = "reset"  # the connection; or answer an "error"; or "hang"
    decline_rate: _Rate = 0.0
    throttle: Annotated[Throttle | None, _throttle] = None  # nothing is charged
    hang: _Rate = 0.0  # read, then never answered; nothing is charged
    garbage: _Rate = 0.0  # charged or declined as usual, then answered with bytes that are not HTTP
    drip: _Rate = 0.0  # charged or declined as usual, then answered byte by byte, every `drip_interval`
    drip_interval: Annotated[float, _seconds] = 0.5

    def changed(self, changes: object) -> Self:
        """These faults, changed by a JSON object's fields. `FaultError` if one is unknown or its value invalid."""
        if not isinstance(changes, Mapping):
            raise FaultError("", "expected a JSON object of faults")
        for name in changes:
            if name not in _CHECKS:
                raise FaultError(str(name), _no_such_fault(str(name)))
        checked: dict[str, Any] = {name: _CHECKS[name](name, value) for name, value in changes.items()}
        return replace(self, **checked)

    def as_json(self) -> dict[str, Any]:
        """The faults as `changed` takes them."""
        return asdict(self)


_CHECKS: Mapping[str, Callable[[str, object], Any]] = {
    name: hint.__metadata__[0] for name, hint in get_type_hints(Faults, include_extras=True).items()
}


def _no_such_fault(name: str) -> str:
    near = difflib.get_close_matches(name, _CHECKS, n=1)
    hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(_CHECKS)}"
    return f"no such fault; {hint}"


@dataclass(frozen=True, slots=True)
class Samples:
    """One random number from 0 to 1 for each fault of a request."""

    latency: float
    error: float
    hang: float
    decline: float
    charge_then_fail: float
    garbage: float
    drip: float

    def seconds(self, faults: Faults) -> float:
        if isinstance(faults.latency, float | int):
            return faults.latency
        shortest, longest = faults.latency
        return shortest + (longest - shortest) * self.latency


def samples_for(seed: int, key: str, number: int) -> Samples:
    """The samples of the ``number``-th request for ``key``: repeatable, whatever order the threads run in."""
    generator = random.Random(f"{seed}:{number}:{key}")  # noqa: S311 - a repeatable experiment, not a secret
    # Always all of them: switching one fault on must not change the others.
    return Samples(*(generator.random() for _ in Samples.__slots__))


class Limiter:
    """A token bucket for the requests of one second, full at first."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._throttle: Throttle | None = None
        self._tokens = self._at = 0.0

    def admits(self, throttle: Throttle, now: float) -> bool:
        """Whether the throttle allows one more request at ``now`` (monotonic seconds)."""
        rate = throttle.rate_per_second
        if rate is None:
            return False
        with self._lock:
            if throttle != self._throttle:
                self._throttle, self._tokens, self._at = throttle, max(rate, 1.0), now
            self._tokens = min(self._tokens + (now - self._at) * rate, max(rate, 1.0))
            self._at = now
            if self._tokens < 1:
                return False
            self._tokens -= 1
            return True
