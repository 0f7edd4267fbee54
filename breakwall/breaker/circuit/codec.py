"""Encodes a `Circuit` as compact JSON that names its format.

Keys are short because every synchronization carries them. Fields that have their default value are left out.

Processes of two releases may share a circuit during a rollout. A later release may add fields; an earlier one ignores
them and writes them back unchanged. The earlier one changes the other fields meanwhile, so a new field must name what
it belongs to (a generation, for example). Any other change needs a new format. A process that cannot read a format does
not overwrite it and uses a local circuit until it is replaced.
"""

import functools
import json
from typing import Any, TypeVar

from breakwall.breaker.circuit.state import Circuit, CircuitState, Lease, Override, OverrideMode
from breakwall.breaker.circuit.window import Bucket, Reporter, Window

Name = TypeVar("Name", CircuitState, OverrideMode)

FORMAT = 1
_NAMES = "v s g ga b bs ws wf sa oa ou r l p ob n lf o os w"
FIELDS = frozenset(_NAMES.split())
OVERRIDE_FIELDS = frozenset("mrate")
END_OF_TIME = 10**14  # Milliseconds since the epoch: the year 5138. No release writes a later time.


class NewerFormatError(Exception):
    """A newer release wrote this circuit. A release that cannot read it must not overwrite it."""


class CorruptCircuitError(ValueError):
    """No release writes this."""


def encode(circuit: Circuit) -> str:
    """The circuit as JSON text."""
    window = circuit.window
    full = {
        "v": FORMAT,
        "s": circuit.state.value,
        "g": circuit.generation or None,
        "ga": _ms(circuit.began_at),
        "b": _encode_buckets(window.buckets),
        "bs": _encode_buckets(window.recent),
        "ws": _encode_reporters(window.succeeding),
        "wf": _encode_reporters(window.failing),
        "sa": _ms(window.suspected_at),
        "oa": _ms(circuit.opened_at),
        "ou": _ms(circuit.open_until),
        "r": circuit.reopenings or None,
        "l": [[lease.id, _ms(lease.expires_at)] for lease in circuit.leases] or None,
        "p": circuit.probes_succeeded or None,
        "ob": circuit.opened_by or None,
        "n": circuit.open_count or None,
        "lf": _ms(circuit.last_failure_at),
        "o": _encode_override(circuit.override),
        "os": circuit.override_serial or None,
        "w": _ms(circuit.written_at),
    }
    return _dumped({key: value for key, value in full.items() if value is not None} | _known(circuit.unknown))


# One synchronization decodes the same text several times, and the next synchronization does so again.
@functools.lru_cache(maxsize=16)
def decode(text: str) -> Circuit | None:
    """The circuit in ``text``, or None if it is not a circuit. May raise `NewerFormatError`."""
    try:
        raw = json.loads(text, parse_constant=_no_number)
        _check_format(_whole(raw["v"]))
        return _decode(raw)
    except NewerFormatError:
        raise
    # An unreadable text is overwritten, whatever the error. If the error were raised, this process could not use the
    # shared circuit until the text is gone.
    except Exception:
        return None


def _check_format(version: int) -> None:
    if version > FORMAT:
        raise NewerFormatError(f"the stored circuit has format {version}; this release reads {FORMAT}")


def _decode(raw: dict[str, Any]) -> Circuit:
    return Circuit(
        state=_known_name(CircuitState, raw["s"]),
        generation=_whole(raw.get("g", 0)),
        began_at=_seconds(raw.get("ga")),
        window=Window(
            buckets=_buckets(raw.get("b", ())),
            recent=_buckets(raw.get("bs", ())),
            succeeding=_reporters(raw.get("ws", ())),
            failing=_reporters(raw.get("wf", ())),
            suspected_at=_seconds(raw.get("sa")),
        ),
        opened_at=_seconds(raw.get("oa")),
        open_until=_seconds(raw.get("ou")),
        reopenings=_whole(raw.get("r", 0)),
        leases=tuple(Lease(str(id_), _at(at)) for id_, at in raw.get("l", ())),
        probes_succeeded=_whole(raw.get("p", 0)),
        opened_by=_whole(raw.get("ob", 0)),
        open_count=_whole(raw.get("n", 0)),
        last_failure_at=_seconds(raw.get("lf")),
        override=_override(raw.get("o")),
        override_serial=_whole(raw.get("os", 0)),
        written_at=_seconds(raw.get("w")),
        unknown=_unknown(raw, FIELDS),
    )


def _encode_override(override: Override | None) -> dict[str, Any] | None:
    if override is None:
        return None
    return {
        "m": override.mode.value,
        "r": override.reason,
        "a": override.actor,
        "t": _ms(override.set_at),
        "e": _ms(override.expires_at),
        **_known(override.unknown),
    }


def _override(raw: dict[str, Any] | None) -> Override | None:
    if raw is None:
        return None
    mode = _known_name(OverrideMode, raw["m"])
    unknown = _unknown(raw, OVERRIDE_FIELDS)
    return Override(mode, str(raw["r"]), str(raw["a"]), _at(raw["t"]), _seconds(raw.get("e")), unknown)


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
    return [[reporter.process, _ms(reporter.at)] for reporter in reporters] or None


def _reporters(raw: list[list[Any]]) -> tuple[Reporter, ...]:
    return tuple(Reporter(str(process), _at(at)) for process, at in raw)


# Whole milliseconds are shorter than a float's seventeen digits, and precise enough for a store's clock.
def _ms(at: float | None) -> int | None:
    return None if at is None else round(at * 1000)


def _at(milliseconds: Any) -> float:
    if type(milliseconds) is not int or abs(milliseconds) > END_OF_TIME:
        raise CorruptCircuitError
    return milliseconds / 1000


def _seconds(milliseconds: Any) -> float | None:
    return None if milliseconds is None else _at(milliseconds)


def _whole(number: Any) -> int:
    if type(number) is not int or number < 0:
        raise CorruptCircuitError
    return number


def _known_name(names: type[Name], name: Any) -> Name:
    """The member of ``names``. Any other name has a meaning in a newer release."""
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
