"""One sample of the backlog, and several of them as one."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Any, Self

from breakwall.breaker import CircuitState

# The state that is shown for several samples is the first of these that one of them has.
_WORST_FIRST = (CircuitState.OPEN, CircuitState.HALF_OPEN, CircuitState.CLOSED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """The backlog at one moment, and what happened in the ``span`` seconds before it.

    Of several samples as one, depths and ages are the largest, numbers of orders that arrived or ended are sums.

    Attributes:
        at: when it was taken, by the database's clock; aware, in UTC.
        span: seconds since the sample before, at most `sampler.LONGEST_SPAN`.
        queued, due, in_flight, review, dead: as in the snapshot; lower bounds where ``exact`` is False.
        count_age: seconds for which ``queued`` and the other depths had been counted before ``at``.
        oldest_age_seconds, oldest_due_age_seconds: as in the snapshot.
        arrivals: orders that began to wait in the span.
        paid, declined, other: orders that had waited and ended in the span; ``other``: dead, in review or cancelled.
        broker_messages: None: the broker did not answer.
        broker_difference: see `broker_difference.difference`.
        breaker: the circuit's computed state; the worst one of several.
        override: the mode of an operator's override, or None.
        open_share: the share of the span in which the circuit admitted no call, 0.0 to 1.0.
        limit, in_hand: calls, as in the snapshot; None: any number. Of several samples the smallest limit.
        workers: the live ones; of several samples the fewest.
        paused: an operator had paused the queue.
    """

    at: datetime
    span: float
    queued: int
    due: int
    in_flight: int
    review: int
    dead: int
    exact: bool = True
    count_age: float = 0.0
    oldest_age_seconds: float = 0.0
    oldest_due_age_seconds: float = 0.0
    arrivals: int = 0
    paid: int = 0
    declined: int = 0
    other: int = 0
    broker_messages: int | None = None
    broker_difference: int | None = None
    breaker: str = CircuitState.CLOSED.value
    override: str | None = None
    open_share: float = 0.0
    limit: int | None = None
    in_hand: int | None = None
    workers: int = 0
    paused: bool = False

    def numbers(self) -> str:
        """All but ``at`` and ``span``, as JSON."""
        values = asdict(self)
        return json.dumps({name: values[name] for name in _STORED}, separators=(",", ":"))

    @classmethod
    def stored(cls, at: datetime, span: float, numbers: str) -> Self:
        """From a row. What another version has stored beside the known numbers is left out."""
        values: dict[str, Any] = json.loads(numbers)
        return cls(at=at, span=span, **{name: value for name, value in values.items() if name in _STORED})


_STORED = {each.name for each in fields(Sample)} - {"at", "span"}
_LARGEST = (
    *("queued", "due", "in_flight", "review", "dead", "count_age", "oldest_age_seconds"),
    *("oldest_due_age_seconds", "broker_messages", "in_hand"),
)
_SUMS = ("span", "arrivals", "paid", "declined", "other")
_SMALLEST = ("limit", "workers")


def merged(samples: Sequence[Sample]) -> Sample:
    """Several samples, first to last, as one: what lasted for seconds is still to be seen."""
    if len(samples) == 1:
        return samples[0]
    values: dict[str, Any] = {name: _of(max, samples, name) for name in _LARGEST}
    values |= {name: _of(min, samples, name) for name in _SMALLEST}
    values |= {name: sum(getattr(one, name) for one in samples) for name in _SUMS}
    return Sample(
        **values,
        at=samples[-1].at,
        exact=all(one.exact for one in samples),
        broker_difference=_furthest(samples),
        breaker=min((one.breaker for one in samples), key=_rank),
        override=next((one.override for one in reversed(samples) if one.override), None),
        open_share=_open_share(samples),
        paused=any(one.paused for one in samples),
    )


def _of(choose: Any, samples: Sequence[Sample], name: str) -> Any:
    return choose((value for one in samples if (value := getattr(one, name)) is not None), default=None)


def _furthest(samples: Sequence[Sample]) -> int | None:
    known = [one.broker_difference for one in samples if one.broker_difference is not None]
    return max(known, key=abs, default=None)


def _rank(state: str) -> int:
    return next((rank for rank, known in enumerate(_WORST_FIRST) if known.value == state), len(_WORST_FIRST))


def _open_share(samples: Sequence[Sample]) -> float:
    spans = sum(one.span for one in samples)
    return sum(one.open_share * one.span for one in samples) / spans if spans > 0 else 0.0
