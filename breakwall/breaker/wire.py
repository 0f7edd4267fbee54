"""How a `Circuit` is written in a store: compact JSON that names its format.

Keys are short because every exchange carries them. Fields at their default are left out.

A fleet is rolled from one release to the next while it runs, and back. A later release may add fields, which an
earlier one reads over and writes again as they were; so a field says by itself what it is about, a generation
say, for whoever does not know it goes on from there. Whatever else changes makes another format. Members that cannot
read a format leave it alone, and go on with local circuits until they are replaced too.
"""

from __future__ import annotations

import functools
import json
from typing import Any, TypeVar

from breakwall.breaker.circuit import Circuit, CircuitState, Lease, Override, OverrideMode
from breakwall.breaker.evidence import Bucket, Evidence, Witness

Word = TypeVar("Word", CircuitState, OverrideMode)

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
# Past any time that a release of ours writes, in milliseconds since the epoch: the year 5138.
END_OF_TIME = 10**14


class NewerFormatError(Exception):
    """A newer release wrote this circuit. It must not be overwritten by one that cannot read it."""


class GarbageError(ValueError):
    """No release writes this."""


def encode(circuit: Circuit) -> str:
    """The circuit as JSON text."""
    evidence = circuit.evidence
    full = {
        "v": FORMAT,
        "s": circuit.state.value,
        "g": circuit.generation or None,
        "ga": _ms(circuit.began_at),
        "b": _encode_buckets(evidence.buckets),
        "bs": _encode_buckets(evidence.slices),
        "ws": [[w.member, _ms(w.at)] for w in evidence.succeeding] or None,
        "wf": [[w.member, _ms(w.at)] for w in evidence.failing] or None,
        "sa": _ms(evidence.suspected_at),
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


# An exchange looks at the same text several times, and the next one at it once more.
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
    # What cannot be read gets overwritten, whichever way it fails: an error here would keep this process
    # away from its fleet for as long as the text stays.
    except Exception:
        return None


def _check_format(version: int) -> None:
    if version > FORMAT:
        raise NewerFormatError(f"the stored circuit has format {version}; this release reads {FORMAT}")


def _decode(raw: dict[str, Any]) -> Circuit:
    return Circuit(
        state=_word(CircuitState, raw["s"]),
        generation=_whole(raw.get("g", 0)),
        began_at=_seconds(raw.get("ga")),
        evidence=Evidence(
            buckets=_buckets(raw.get("b", ())),
            slices=_buckets(raw.get("bs", ())),
            succeeding=_witnesses(raw.get("ws", ())),
            failing=_witnesses(raw.get("wf", ())),
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
    mode = _word(OverrideMode, raw["m"])
    unknown = _unknown(raw, OVERRIDE_FIELDS)
    return Override(mode, str(raw["r"]), str(raw["a"]), _at(raw["t"]), _seconds(raw.get("e")), unknown)


def _unknown(raw: dict[str, Any], known: frozenset[str]) -> str:
    """The fields that are not of this release, as a text to write again."""
    unknown = {name: value for name, value in raw.items() if name not in known}
    return _dumped(unknown) if unknown else ""


def _known(unknown: str) -> dict[str, Any]:
    return json.loads(unknown) if unknown else {}


def _dumped(fields: dict[str, Any]) -> str:
    # Infinity is no JSON: a number too long for a float would become that.
    return json.dumps(fields, separators=(",", ":"), allow_nan=False)


def _encode_buckets(buckets: tuple[Bucket, ...]) -> list[list[int | None]] | None:
    return [[_ms(b.start), b.successes, b.failures, b.slow] for b in buckets] or None


def _buckets(raw: list[list[Any]]) -> tuple[Bucket, ...]:
    return tuple(Bucket(_at(start), *map(_whole, counts)) for start, *counts in raw)


def _witnesses(raw: list[list[Any]]) -> tuple[Witness, ...]:
    return tuple(Witness(str(member), _at(at)) for member, at in raw)


# Whole milliseconds: shorter than a float's seventeen digits, and finer than any clock they come from.
def _ms(at: float | None) -> int | None:
    return None if at is None else round(at * 1000)


def _at(milliseconds: Any) -> float:
    if type(milliseconds) is not int or abs(milliseconds) > END_OF_TIME:
        raise GarbageError
    return milliseconds / 1000


def _seconds(milliseconds: Any) -> float | None:
    return None if milliseconds is None else _at(milliseconds)


def _whole(number: Any) -> int:
    if type(number) is not int or number < 0:
        raise GarbageError
    return number


def _word(known: type[Word], word: Any) -> Word:
    """A word of ours; any other is a newer release's, which means something by it."""
    if not isinstance(word, str):
        raise GarbageError
    try:
        return known(word)
    except ValueError:
        raise NewerFormatError(
            f"the stored circuit says {word[:20]!r}, which this release does not know"
        ) from None


def _no_number(constant: str) -> Any:
    raise GarbageError
