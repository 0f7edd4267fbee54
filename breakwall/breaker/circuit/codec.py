"""Encodes a `Circuit` as compact JSON that names its format.

Keys are short because every synchronization carries them. Fields that have their default value are left out.

Processes of two releases may share a circuit during a rollout. A later release may add fields; an earlier one ignores
them and writes them back unchanged. The earlier one changes the other fields meanwhile, so a new field must name what
it belongs to (a generation, for example). Any other change needs a new format. A process that cannot read a format does
not overwrite it and uses a local circuit until it is replaced.
"""

import functools
import json
import math
from collections.abc import Callable
from typing import Any, TypeVar

from breakwall.breaker.circuit.fleet_limit import FleetLimit, ProcessLoad
from breakwall.breaker.circuit.state import Circuit, CircuitState, LastReset, Lease, Override, OverrideMode
from breakwall.breaker.circuit.window import Bucket, Reporter, Window

Name = TypeVar("Name", CircuitState, OverrideMode)
Field = tuple[str, str, Callable[[Any], Any], Callable[[Any], Any]]

FORMAT = 1
END_OF_TIME = 10**14  # Milliseconds since the epoch: the year 5138. No release writes a later time.


class NewerFormatError(Exception):
    """A newer release wrote this circuit. A release that cannot read it must not overwrite it."""


class CorruptCircuitError(ValueError):
    """A value has a type or a size that no release writes. `decode` then returns None."""


def encode(circuit: Circuit) -> str:
    """The circuit as JSON text."""
    fields = _encoded(circuit.window, _WINDOW) | _encoded(circuit, _CIRCUIT)
    full = {"v": FORMAT, "s": circuit.state.value, **fields}
    return _dumped({key: value for key, value in full.items() if value is not None} | _known(circuit.unknown))


# One synchronization decodes the same text several times, and the next synchronization does so again.
@functools.lru_cache(maxsize=16)
def decode(text: str) -> Circuit | None:
    """The circuit in ``text``, or None if it is not a circuit. May raise `NewerFormatError`."""
    try:
        raw = json.loads(text, parse_constant=_no_number)
        _check_format(_whole(raw["v"]))
        return Circuit(
            state=_known_name(CircuitState, raw["s"]),
            window=Window(**_decoded(raw, _WINDOW)),
            unknown=_unknown(raw, FIELDS),
            **_decoded(raw, _CIRCUIT),
        )
    except NewerFormatError:
        raise
    # An unreadable text is overwritten, whatever the error. If the error were raised, this process could not use the
    # shared circuit until the text is gone.
    except Exception:
        return None


def _check_format(version: int) -> None:
    if version > FORMAT:
        raise NewerFormatError(f"the stored circuit has format {version}; this release reads {FORMAT}")


def _encoded(value: object, fields: list[Field]) -> dict[str, Any]:
    return {key: write(getattr(value, name)) for key, name, write, _ in fields}


def _decoded(raw: dict[str, Any], fields: list[Field]) -> dict[str, Any]:
    return {name: read(raw[key]) for key, name, _, read in fields if key in raw}


def _encode_override(override: Override | None) -> dict[str, Any] | None:
    return None if override is None else _encoded(override, _OVERRIDE) | _known(override.unknown)


def _override(raw: dict[str, Any] | None) -> Override | None:
    if raw is None:
        return None
    return Override(**_decoded(raw, _OVERRIDE), unknown=_unknown(raw, OVERRIDE_FIELDS))


def _encode_reset(last: LastReset | None) -> dict[str, Any] | None:
    if last is None:
        return None
    fields = {key: value for key, value in _encoded(last, _RESET).items() if value is not None}
    return fields | _known(last.unknown)


def _reset(raw: dict[str, Any]) -> LastReset:
    return LastReset(**_decoded(raw, _RESET), unknown=_unknown(raw, RESET_FIELDS))


def _unknown(raw: dict[str, Any], known: frozenset[str]) -> str:
    """The fields that this release does not know, as a text to write back."""
    unknown = {name: value for name, value in raw.items() if name not in known}
    return _dumped(unknown) if unknown else ""


def _known(unknown: str) -> dict[str, Any]:
    return json.loads(unknown) if unknown else {}


def _dumped(fields: dict[str, Any]) -> str:
    # A number that is too large for a float would become Infinity, which is not JSON.
    return json.dumps(fields, separators=(",", ":"), allow_nan=False)


def _encode_buckets(buckets: tuple[Bucket, ...]) -> list[list[int | None]] | None:
    return [[_ms(b.start), b.successes, b.failures, b.slow] for b in buckets] or None


def _buckets(raw: list[list[Any]]) -> tuple[Bucket, ...]:
    return tuple(Bucket(_at(start), *map(_whole, counts)) for start, *counts in raw)


def _encode_reporters(reporters: tuple[Reporter, ...]) -> list[list[Any]] | None:
    return [[reporter.id, _ms(reporter.at)] for reporter in reporters] or None


def _reporters(raw: list[list[Any]]) -> tuple[Reporter, ...]:
    return tuple(Reporter(str(id_), _at(at)) for id_, at in raw)


def _encode_leases(leases: tuple[Lease, ...]) -> list[list[Any]] | None:
    return [[lease.id, _ms(lease.expires_at)] for lease in leases] or None


def _leases(raw: list[list[Any]]) -> tuple[Lease, ...]:
    return tuple(Lease(str(id_), _at(at)) for id_, at in raw)


def _encode_limit(limit: FleetLimit | None) -> dict[str, Any] | None:
    if limit is None:
        return None
    fields = {key: value for key, value in _encoded(limit, _LIMIT).items() if value is not None}
    return fields | _known(limit.unknown)


def _limit(raw: dict[str, Any]) -> FleetLimit:
    return FleetLimit(**_decoded(raw, _LIMIT), unknown=_unknown(raw, LIMIT_FIELDS))


def _encode_processes(processes: tuple[ProcessLoad, ...]) -> list[list[Any]] | None:
    return [
        [
            m.id,
            _ms(m.at),
            m.in_hand,
            m.background,
            m.live,
            int(m.wants),
            m.starts,
            int(m.capped),
            int(m.refuses),
            int(m.waits),
        ]
        for m in processes
    ] or None


def _processes(raw: list[list[Any]]) -> tuple[ProcessLoad, ...]:
    return tuple(_process(*fields) for fields in raw)


def _process(id_: Any, at: Any, *fields: Any) -> ProcessLoad:
    # The releases before have one or two fields less, and a newer one may add some.
    in_hand, background, live, wants, starts, capped, refuses, waits, *_ = (*fields, 0, 0)
    return ProcessLoad(
        str(id_),
        _at(at),
        in_hand=_whole(in_hand),
        background=_number(background),
        live=_number(live),
        wants=bool(wants),
        starts=_number(starts),
        capped=bool(capped),
        refuses=bool(refuses),
        waits=bool(waits),
    )


# Whole milliseconds are shorter than a float's seventeen digits, and precise enough for a store's clock.
def _ms(at: float | None) -> int | None:
    return None if at is None else round(at * 1000)


def _at(milliseconds: Any) -> float:
    if type(milliseconds) is not int or abs(milliseconds) > END_OF_TIME:
        raise CorruptCircuitError
    return milliseconds / 1000


def _seconds(milliseconds: Any) -> float | None:
    return None if milliseconds is None else _at(milliseconds)


def _text(text: str | None) -> str | None:
    return None if text is None else str(text)


def _count(number: int) -> int | None:
    return number or None


def _whole(number: Any) -> int:
    if type(number) is not int or number < 0:
        raise CorruptCircuitError
    return number


def _number(number: Any) -> float:
    if type(number) not in {int, float} or not 0 <= number < END_OF_TIME or math.isnan(number):
        raise CorruptCircuitError
    return float(number)


def _amount(number: float | None) -> float | None:
    """A number that is left out if it is 0 or None."""
    return number or None


def _known_name(names: type[Name], name: Any) -> Name:
    """The member of ``names``. We assume that any other text is a name of a newer release."""
    if not isinstance(name, str):
        raise CorruptCircuitError
    try:
        return names(name)
    except ValueError:
        raise NewerFormatError(
            f"the stored circuit says {name[:20]!r}, which this release does not know"
        ) from None


def _no_number(constant: str) -> Any:
    raise CorruptCircuitError


# The key in the JSON, the attribute, how it is written (None is left out) and how it is read.
_WINDOW: list[Field] = [
    ("b", "buckets", _encode_buckets, _buckets),
    ("bs", "recent", _encode_buckets, _buckets),
    ("ws", "succeeding", _encode_reporters, _reporters),
    ("wf", "failing", _encode_reporters, _reporters),
    ("sa", "suspected_at", _ms, _seconds),
]
_CIRCUIT: list[Field] = [
    ("g", "generation", _count, _whole),
    ("ga", "began_at", _ms, _seconds),
    ("oa", "opened_at", _ms, _seconds),
    ("ou", "open_until", _ms, _seconds),
    ("r", "reopenings", _count, _whole),
    ("l", "leases", _encode_leases, _leases),
    ("p", "probes_succeeded", _count, _whole),
    ("ob", "opened_by", _count, _whole),
    ("n", "open_count", _count, _whole),
    ("lf", "last_failure_at", _ms, _seconds),
    ("o", "override", _encode_override, _override),
    ("os", "override_serial", _count, _whole),
    ("rs", "last_reset", _encode_reset, _reset),
    ("w", "written_at", _ms, _seconds),
    ("li", "limit", _encode_limit, _limit),
]
_LIMIT: list[Field] = [
    ("g", "generation", _count, _whole),
    ("n", "size", _amount, _number),
    ("e", "epoch", _count, _whole),
    ("p", "proven", _count, bool),
    ("c", "ceiling", _amount, _number),
    ("b", "base", _amount, _number),
    ("s", "score", _amount, _number),
    ("t", "tolerated", _amount, _number),
    ("f", "cut_for", _amount, _number),
    ("sf", "slow_for", _amount, _number),
    ("ra", "round_at", _ms, _seconds),
    ("ru", "rest_until", _ms, _seconds),
    ("gu", "gathers_until", _ms, _seconds),
    ("ba", "busy_at", _ms, _seconds),
    ("a", "answered", _count, _whole),
    ("fl", "failed", _count, _whole),
    ("m", "medians", _count, _whole),
    ("l", "latency", _amount, _number),
    ("pc", "pace", _amount, _number),
    ("r", "rate", _amount, _number),
    ("rc", "rate_ceiling", _amount, _number),
    ("rf", "refused_at", _ms, _seconds),
    ("rt", "rate_at", _ms, _seconds),
    ("h", "hold_until", _ms, _seconds),
    ("ps", "processes", _encode_processes, _processes),
]
_OVERRIDE: list[Field] = [
    ("m", "mode", str, functools.partial(_known_name, OverrideMode)),
    ("r", "reason", str, str),
    ("a", "actor", str, str),
    ("t", "set_at", _ms, _at),
    ("e", "expires_at", _ms, _seconds),  # Written as null if there is none.
]
_RESET: list[Field] = [
    ("g", "generation", int, _whole),
    ("t", "at", _ms, _at),
    ("r", "reason", _text, str),
    ("a", "actor", _text, str),
]
FIELDS = frozenset(["v", "s", *(key for key, *_ in _WINDOW + _CIRCUIT)])
OVERRIDE_FIELDS = frozenset(key for key, *_ in _OVERRIDE)
RESET_FIELDS = frozenset(key for key, *_ in _RESET)
LIMIT_FIELDS = frozenset(key for key, *_ in _LIMIT)
