"""Encodes a `Circuit` as compact JSON that names its format.

Keys are short because every synchronization carries them. Fields at their default are left out.

A fleet may be rolled from one release to the next, and back, while it runs. A later release may add fields; an earlier
one ignores them and writes them again as they were. So a field must say by itself what it is about (a generation, for
example), because a member that does not know it changes the rest. Any other change makes a new format. Members that
cannot read a format leave it alone and go on with local circuits until they are replaced.
"""

import functools
import json
from typing import Any, TypeVar

from breakwall.breaker.circuit.state import Circuit, CircuitState, Lease, Override, OverrideMode
from breakwall.breaker.circuit.window import Bucket, Reporter, Window

Name = TypeVar("Name", CircuitState, OverrideMode)

FORMAT = 1
FIELDS = frozenset(
    [
        "v",
        "s",
        "g",
        "ga",
        "b",
        "bs",
        "ws",
        "wf",
        "sa",
        "oa",
        "ou",
        "r",
        "l",
        "p",
        "ob",
        "n",
        "lf",
        "o",
        "os",
        "w",
    ]
)
OVERRIDE_FIELDS = frozenset("mrate")
# Later than any time that a release writes, in milliseconds since the epoch: the year 5138.
END_OF_TIME = 10**14


class NewerFormatError(Exception):
    """A newer release wrote this circuit. It must not be overwritten by one that cannot read it."""


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


# One synchronization decodes the same text several times, and the next one once more.
@functools.lru_cache(maxsize=16)
def decode(text: str) -> Circuit | None:
    """The circuit in ``text``, or None when the text is no circuit at all.

    Raises:
        NewerFormatError: a later release wrote it.
    """
    try:
        raw = json.loads(text, parse_constant=_no_number)
        _check_format(_whole(raw["v"]))
        return _decode(raw)
    except NewerFormatError:
        raise
    # A text that cannot be read is overwritten, however it fails: an error here would keep this process away from its
    # fleet for as long as the text stays.
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
    """The fields that this release does not know, as a text to write again."""
    unknown = {name: value for name, value in raw.items() if name not in known}
    return _dumped(unknown) if unknown else ""


def _known(unknown: str) -> dict[str, Any]:
    return json.loads(unknown) if unknown else {}


def _dumped(fields: dict[str, Any]) -> str:
    # Infinity is not JSON: a number too long for a float would become that.
    return json.dumps(fields, separators=(",", ":"), allow_nan=False)


def _encode_buckets(buckets: tuple[Bucket, ...]) -> list[list[int | None]] | None:
    return [[_ms(b.start), b.successes, b.failures, b.slow] for b in buckets] or None


def _buckets(raw: list[list[Any]]) -> tuple[Bucket, ...]:
    return tuple(Bucket(_at(start), *map(_whole, counts)) for start, *counts in raw)


def _encode_reporters(reporters: tuple[Reporter, ...]) -> list[list[Any]] | None:
    return [[reporter.member, _ms(reporter.at)] for reporter in reporters] or None


def _reporters(raw: list[list[Any]]) -> tuple[Reporter, ...]:
    return tuple(Reporter(str(member), _at(at)) for member, at in raw)


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
    """A name of ours; any other is a newer release's, which has a meaning there."""
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
